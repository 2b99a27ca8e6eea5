"""Judging a file's worth of tasks into a folder, so that nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from j1sdk.background import run
from j1sdk.data import Source
from j1sdk.errors import ConfigError
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.evaluations import Evaluated, evaluate_to_folder
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.evaluation.readings import Reader, reader
from j1sdk.files import read_lines, write_text
from j1sdk.judge import JudgeRewardModel, result_of
from j1sdk.judgments import JUDGMENTS_FILE, Key, key, line_of, parse_judgment, records_of
from j1sdk.resuming import OTHER_JUDGE, check_same_task, engine_failures, judge_record
from j1sdk.types import JudgeResult, JudgmentStatus, JudgmentTask, Presentation
from j1sdk.workfolder import Log, claimed, spread

METRICS_FILE = "metrics.json"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Tasks:
    """The tasks of a source, read anew each time: not all of them need fit into memory."""

    source: Source

    def __iter__(self) -> Iterator[JudgmentTask]:
        return islice(self.source.tasks(), self.source.limit)


@dataclass(frozen=True)
class Shown:
    """What a judge is shown of each task, where that is anything. Gone through several times."""

    tasks: Iterable[JudgmentTask]
    present: Callable[[JudgmentTask], Sequence[Presentation]]

    def __iter__(self) -> Iterator[tuple[JudgmentTask, Sequence[Presentation]]]:
        for task in self.tasks:
            if presented := self.present(task):
                yield task, presented


@dataclass(frozen=True)
class Judged:
    """The results in a folder that holds all judgments of what was shown, in that order."""

    out: Path
    shown: Shown
    read: Reader = lambda result: result

    def __iter__(self) -> Iterator[JudgeResult]:
        lines = read_lines(self.out / JUDGMENTS_FILE)
        for task, presented in self.shown:
            judgments = [
                parse_judgment(line, where) for where, line in islice(lines, len(presented))
            ]
            yield self.read(result_of(task, judgments))


def judge_to_folder(
    judge: JudgeRewardModel,
    tasks: Iterable[JudgmentTask],
    out: Path,
    progress: Progress | None = None,
) -> Metrics:
    """Judge the tasks, a line per judgment in `out`/judgments.jsonl; returns metrics.

    Goes on from what is there, and asks again where the engine failed. `tasks` are gone through
    several times, as a list can be, or `Tasks`. Raises ConfigError if the folder is another
    judge's, another process's or of other data, DataError if a line is not what this wrote.
    """
    measured = measure(judge_shown(judge, Shown(tasks, judge.presentations), out, progress))
    write_text(out / METRICS_FILE, measured.model_dump_json(indent=2))
    return measured


def judge_benchmark(
    judge: JudgeRewardModel, benchmark: Benchmark, out: Path, progress: Progress | None = None
) -> Evaluated:
    """Judge a benchmark's tasks into `out` as `judge_to_folder` does, and evaluate the judgments.

    They are read strictly and leniently, where the format has both. Raises ConfigError too where
    the judge can be shown nothing of the benchmark.
    """
    both, format = judge.orders == "both", judge.format
    shown = Shown(benchmark.tasks(), lambda task: benchmark.presentations(task, format.arity, both))
    if not any(True for _ in shown):
        raise ConfigError(f"{format.name} can be asked nothing of {benchmark.name}")
    judged = judge_shown(judge, shown, out, progress)
    strict = lenient = None
    if not any(one.samples for result in judged for one in result.judgments):
        strict, lenient = (reader(format, lenient=loose) for loose in (False, True))
    as_judged = Judged(out, shown, strict) if strict else judged
    return evaluate_to_folder(
        benchmark,
        records_of(as_judged, format.sections),
        out,
        records_of(Judged(out, shown, lenient), format.sections) if lenient else None,
    )


def judge_shown(
    judge: JudgeRewardModel, shown: Shown, out: Path, progress: Progress | None = None
) -> Judged:
    """Judge what is shown of each task, less what `out` has; raises as `judge_to_folder` does."""
    for _ in presentations(shown):
        pass  # data that cannot be read leave no folder behind
    with claimed(out, judge_record(judge), OTHER_JUDGE), Log(out / JUDGMENTS_FILE, _done) as log:
        total, done = survey(judge, shown, log)

        async def work(one: Presentation) -> None:
            nonlocal done
            judgment = await judge.present_async(one)
            log.append(key(one), line_of(judgment, one.task, judge.format.sections))
            done += 1
            if progress:
                progress(done, total)

        run(spread((one for one in presentations(shown) if key(one) not in log), work))
        log.settle(settled(judge, shown, log))
    return Judged(out, shown)


def presentations(shown: Shown) -> Iterator[Presentation]:
    """All that is shown, of one task after another."""
    return (one for _, presented in shown for one in presented)


def _done(line: bytes, where: str) -> Key | None:
    """What a line is of; None for a judgment that the engine failed on."""
    judgment = parse_judgment(line, where)
    failed = judgment.status is JudgmentStatus.ENGINE_ERROR
    return None if failed else (judgment.task_id, judgment.order)


def survey(judge: JudgeRewardModel, shown: Shown, log: Log[Key]) -> tuple[int, int]:
    """How many judgments there are to be, and how many there are.

    Raises ConfigError where a task of that id was judged with other content.
    """
    total = done = 0
    for _, presented in shown:
        seen: set[int] = set()
        for one in presented:
            total += 1
            if key(one) not in log:
                continue
            done += 1
            if not seen.issuperset(one.order):
                seen.update(one.order)
                check_same_task(judge, one, parse_judgment(log[key(one)], str(log.path)), log.path)
    return total, done


def settled(judge: JudgeRewardModel, shown: Shown, log: Log[Key]) -> Iterator[tuple[Key, str]]:
    """The lines of all that is shown, in its order, with the gold labels of today."""
    for one in presentations(shown):
        judgment = parse_judgment(log[key(one)], str(log.path))
        yield key(one), line_of(judgment, one.task, judge.format.sections)


def failures_in(measured: Metrics, out: Path) -> str:
    """How often the engine failed on judgments in `out`, and why; raises as `engine_failures`."""
    if not measured.statuses[JudgmentStatus.ENGINE_ERROR.value]:
        return ""
    lines = read_lines(out / JUDGMENTS_FILE)
    return engine_failures(parse_judgment(line, where) for where, line in lines)
