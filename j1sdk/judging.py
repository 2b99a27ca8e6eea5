"""Judging a file's worth of tasks into a folder, so that nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from j1sdk.background import run
from j1sdk.data.recorded import JUDGMENTS_FILE, Key, read_judgments
from j1sdk.deliberation import question
from j1sdk.errors import ConfigError
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.evaluations import Evaluated, evaluate_to_folder
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.evaluation.readings import reread
from j1sdk.evaluation.records import records_of
from j1sdk.files import append_lines, write_text
from j1sdk.judge import JudgeRewardModel, result_of
from j1sdk.run import Run, dump_run
from j1sdk.types import JudgeResult, Judgment, JudgmentTask, Presentation

METRICS_FILE, RECORD_FILE = "metrics.json", "run.toml"
BATCH = 256
"""Presentations judged before their judgments are written."""


def judge_to_folder(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Metrics:  # fmt: skip
    """Judge the tasks, appending a line per judgment to `out`/judgments.jsonl; returns metrics.

    Goes on from what is there. Raises ConfigError if that was made by another judge, DataError
    if a line is not what this wrote.
    """
    shown = [(task, judge.presentations(task)) for task in tasks]
    measured = measure(judge_shown(judge, shown, out, progress))
    write_text(out / METRICS_FILE, measured.model_dump_json(indent=2))
    return measured


def judge_benchmark(
    judge: JudgeRewardModel, benchmark: Benchmark, out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluated:  # fmt: skip
    """Judge a benchmark's tasks into `out` as `judge_to_folder` does, and evaluate the judgments.

    They are read strictly and leniently, where the format has both. Raises ConfigError too where
    the judge can be shown nothing of the benchmark.
    """
    both, arity = judge.orders == "both", judge.format.arity
    offered = [(task, benchmark.presentations(task, arity, both)) for task in benchmark.tasks()]
    shown = [(task, presented) for task, presented in offered if presented]
    if not shown:
        raise ConfigError(f"{judge.format.name} can be asked nothing of {benchmark.name}")
    results = judge_shown(judge, shown, out, progress)
    sections, lenient = judge.format.sections, reread(judge.format, results, lenient=True)
    strict = reread(judge.format, results, lenient=False) or results
    return evaluate_to_folder(
        benchmark,
        records_of(strict, sections),
        out,
        None if lenient is None else records_of(lenient, sections),
    )


def judge_shown(
    judge: JudgeRewardModel, shown: Sequence[tuple[JudgmentTask, Sequence[Presentation]]],
    out: Path, progress: Callable[[int, int], None] | None = None,
) -> list[JudgeResult]:  # fmt: skip
    """Judge what is shown of each task, less what `out` has; raises as `judge_to_folder` does."""
    claim(out, judge)
    by_task = [presented for _, presented in shown]
    done = read_judgments(out / JUDGMENTS_FILE)
    waiting = [one for presented in by_task for one in presented if key(one) not in done]
    check_same_tasks(judge, by_task, done, out)
    finished, total = sum(map(len, by_task)) - len(waiting), sum(map(len, by_task))
    for start in range(0, len(waiting), BATCH):
        made = run(_judge_all(judge, waiting[start : start + BATCH]))
        lines = (judgment.model_dump_json() for judgment in made)
        append_lines(out / JUDGMENTS_FILE, lines, sync=True)
        done |= {(judgment.task_id, judgment.order): judgment for judgment in made}
        finished += len(made)
        if progress:
            progress(finished, total)
    return [result_of(task, [done[key(one)] for one in presented]) for task, presented in shown]


def check_same_tasks(
    judge: JudgeRewardModel, by_task: Sequence[Sequence[Presentation]], done: dict[Key, Judgment],
    out: Path,
) -> None:  # fmt: skip
    """Raise ConfigError where a task of that id was judged with other content."""
    for shown in (one for presented in by_task for one in presented if key(one) in done):
        asked = question(judge.format, shown, judge.engine.reserved)
        if done[key(shown)].transcript[: len(asked)] != asked:
            raise ConfigError(
                f"{out} holds judgments of other data: task {shown.task.id!r} has another content"
                " there. Use another --out"
            )


def key(shown: Presentation) -> Key:
    """What names a presentation, and its judgment, in a file."""
    return shown.task.id, shown.order


async def _judge_all(judge: JudgeRewardModel, shown: Iterable[Presentation]) -> list[Judgment]:
    return list(await asyncio.gather(*map(judge.present_async, shown)))


def claim(out: Path, judge: JudgeRewardModel) -> None:
    """Make the folder and record the judge; raises ConfigError if it records another."""
    record, described = out / RECORD_FILE, dump_run(Run(judge=judge))
    if record.exists() and record.read_text(encoding="utf-8") != described:
        raise ConfigError(f"{out} holds judgments of another judge ({record}): another --out")
    write_text(record, described)
