"""A study of test-time scaling: what each strategy makes of the same samples, for which cost.

A sample is drawn when a strategy first asks for it, and written down; the strategies after it are
given the same one. So a vote of 4 is over the first 4 samples of the vote of 32, an early-stopped
vote costs nothing further, and what strategies differ in is not the luck of the draw.

A format that makes the judge think for several `rounds` (budget forcing) is compared with its
control: votes of the judge unforced, each with as many tokens as forcing spent on the same
presentation.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from j1sdk.background import run
from j1sdk.errors import ConfigError, DataError
from j1sdk.files import read_lines, write_text
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel, result_of
from j1sdk.judgments import Key, key
from j1sdk.resuming import OTHER_JUDGE, check_same_task, engine_failures, judge_record
from j1sdk.scaling import Samples, Scaling, add_up
from j1sdk.scaling.mean import Mean
from j1sdk.scaling.single import Single
from j1sdk.scaling.vote import Vote, majority
from j1sdk.types import Judgment, JudgmentStatus, JudgmentTask, Presentation
from j1sdk.workfolder import Log, claimed, spread
from j1sdk_scale.spending import Spending, spending

SPENDING_FILE, SAMPLES_FILE = "scaling.json", "samples.jsonl"
Sampled = tuple[Key, int]
"""What a line is of: a presentation, and the number of the sample."""
TaskShown = tuple[JudgmentTask, list[Presentation]]


class Pool:
    """Samples of one judge, kept in a file: each is drawn once."""

    def __init__(self, judge: JudgeRewardModel, log: Log[Sampled]) -> None:
        self.judge = judge
        self.log = log
        self.drawn: Callable[[], None] = lambda: None
        """Called after each new sample."""

    def of(self, shown: Presentation) -> Samples:
        """The samples of one presentation."""
        return self.judge.samples(shown, partial(self._sample, shown))

    async def _sample(self, shown: Presentation, number: int) -> Judgment:
        wanted = key(shown), number
        if wanted not in self.log:
            made = await self.judge.draw_async(shown, number)
            line = json.dumps([number, made.model_dump()], ensure_ascii=False)
            self.log.append(wanted, line)
            self.drawn()
        return parse_sample(self.log[wanted], str(self.log.path))[1]


def parse_sample(line: bytes, where: str) -> tuple[int, Judgment]:
    """A sample and its number; raises DataError."""
    try:
        number, described = json.loads(line)
        return number, Judgment.model_validate(described)
    except (ValueError, TypeError) as error:
        raise DataError(f"{where} is no sample of ours: move the file away") from error


def _drawn(line: bytes, where: str) -> Sampled | None:
    """What a line is a sample of; None where the engine failed."""
    number, made = parse_sample(line, where)
    failed = made.status is JudgmentStatus.ENGINE_ERROR
    return None if failed else ((made.task_id, made.order), number)


class Strategy(NamedTuple):
    """A way to judge a presentation."""

    name: str
    n: int
    judge: Callable[[Presentation], Awaitable[Judgment]]


def scale_to_folder(
    judge: JudgeRewardModel,
    tasks: Sequence[JudgmentTask],
    counts: Sequence[int],
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Spending]:
    """What each strategy achieves with each count of samples, also in `out`/scaling.json.

    Goes on from the samples that are in `out`. Raises ConfigError where they are another judge's
    or of other tasks, and for a judge that does not sample.
    """
    if max(counts) > 1 and not judge.sampling.temperature:
        raise ConfigError(
            "at temperature 0 all samples are alike: set sampling.temperature (--temperature)"
        )
    with claimed(out, judge_record(judge), OTHER_JUDGE), ExitStack() as logs:
        plain, forced = pools_of(judge, counts, out, logs)
        shown = [(task, judge.presentations(task)) for task in tasks]
        check_first_samples(plain, shown)
        pools = (plain, *forced.values())
        total = sum(len(one) for _, one in shown) * (max(counts) + len(forced))
        for pool in pools:
            pool.drawn = lambda: progress(min(sum(len(one.log) for one in pools), total), total)
        pools[0].drawn()
        chosen = (*strategies(plain, counts), *forcings(plain, forced))
        spent = [run(_spent(strategy, shown)) for strategy in chosen]
    described = [one.model_dump(mode="json") for one in spent]
    write_text(out / SPENDING_FILE, json.dumps(described, indent=2))
    return spent


def failed_samples(out: Path) -> str:
    """How often the engine failed on samples in `out`, and why; raises as `engine_failures`."""
    latest: dict[tuple[str, Sampled], Judgment] = {}
    for path in sorted(out.glob("samples*.jsonl")):
        for where, line in read_lines(path):
            number, judgment = parse_sample(line, where)
            kept = judgment.model_copy(update={"transcript": (), "samples": ()})
            latest[path.name, ((judgment.task_id, judgment.order), number)] = kept
    return engine_failures(latest.values())


def check_first_samples(pool: Pool, shown: Sequence[TaskShown]) -> None:
    """Raise ConfigError where they are of other tasks."""
    for one in (one for _, presented in shown for one in presented):
        if (key(one), 0) in pool.log:
            _, made = parse_sample(pool.log[key(one), 0], str(pool.log.path))
            check_same_task(pool.judge, one, made, pool.log.path)


async def _spent(strategy: Strategy, shown: Sequence[TaskShown]) -> Spending:
    """What a strategy comes to; all but verdicts and costs is dropped as it arrives."""
    made: dict[Key, Judgment] = {}

    async def judge(one: Presentation) -> None:
        judgment = await strategy.judge(one)
        made[key(one)] = judgment.model_copy(update={"transcript": (), "samples": ()})

    await spread((one for _, presented in shown for one in presented), judge)
    results = [result_of(task, [made[key(one)] for one in presented]) for task, presented in shown]
    return spending(strategy.name, strategy.n, results)


def pools_of(
    judge: JudgeRewardModel, counts: Sequence[int], out: Path, logs: ExitStack
) -> tuple[Pool, dict[int, Pool]]:
    """The judge's samples; and for a format that forces, those of each number of rounds."""

    def of(kind: JudgmentFormat, name: str) -> Pool:
        log = logs.enter_context(Log(out / name, _drawn))
        return Pool(judge.replace(format=kind), log)

    format, unforced = judge.format, unforced_format(judge.format)
    if unforced is None:
        return of(format, SAMPLES_FILE), {}
    return of(unforced, SAMPLES_FILE), {
        rounds: of(format.model_copy(update={"rounds": rounds}), f"samples-{rounds}-rounds.jsonl")
        for rounds in counts
    }


def unforced_format(format: JudgmentFormat) -> JudgmentFormat | None:
    """The format that one with `rounds` wraps; None for any other."""
    inner = getattr(format, "format", None)
    return inner if hasattr(format, "rounds") and isinstance(inner, JudgmentFormat) else None


def strategies(pool: Pool, counts: Sequence[int]) -> Iterator[Strategy]:
    """Votes and means of so many samples; and what the judge itself does, if that is another."""
    named: dict[str, Callable[[int], Scaling]] = {
        "vote": lambda n: Vote(n=n),
        "vote, early stop": lambda n: Vote(n=n, early_stop=True),
        "mean": lambda n: Mean(n=n),
    }
    own = pool.judge.scaling
    if not isinstance(own, (Single, Vote, Mean)):
        named[own.name] = partial(with_samples, own)
    for name, scaling in named.items():
        for n in counts if "n" in type(scaling(1)).model_fields else counts[:1]:
            yield Strategy(name, n, _on(pool, scaling(n)))


def with_samples(scaling: Scaling, n: int) -> Scaling:
    """A scaling with another number of samples, of which it keeps as large a share as before."""
    changes = {"n": n}
    if keep := getattr(scaling, "keep", None):  # a judge of judgments
        changes["keep"] = max(1, n * keep // getattr(scaling, "n", n))
    return scaling.model_copy(update=changes)


def forcings(plain: Pool, forced: Mapping[int, Pool]) -> Iterator[Strategy]:
    """Forced thinking of so many rounds, and its control."""
    for rounds, pool in forced.items():
        yield Strategy(pool.judge.format.name, rounds, _on(pool, Single()))
    for rounds, pool in forced.items():
        yield Strategy("vote, tokens matched", rounds, partial(_matched, plain, pool))


def _on(pool: Pool, scaling: Scaling) -> Callable[[Presentation], Awaitable[Judgment]]:
    return lambda shown: scaling.judge(pool.of(shown))


async def _matched(plain: Pool, forced: Pool, shown: Presentation) -> Judgment:
    """A vote that goes on until it has spent no fewer tokens than forcing did."""
    budget = (await forced.of(shown).draw(0)).usage.completion_tokens
    drawn = [await plain.of(shown).draw(0)]
    while sum(max(one.usage.completion_tokens, 1) for one in drawn) < budget:
        drawn.append(await plain.of(shown).draw(len(drawn)))
    return add_up(drawn, majority(drawn))
