"""A study of test-time scaling: what each strategy makes of the same samples, for which cost.

A sample is drawn when a strategy first asks for it, and written down; the strategies after it are
given the same one. So a vote of 4 is over the first 4 samples of the vote of 32, an early-stopped
vote costs nothing further, and what strategies differ in is not the luck of the draw.

A format that makes the judge think for several `rounds` (budget forcing) is compared with its
control: votes of the judge unforced, each with as many tokens as forcing spent on the same
presentation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from j1sdk.background import run
from j1sdk.data.recorded import Key
from j1sdk.errors import ConfigError, DataError
from j1sdk.evaluation.spending import Spending, spending
from j1sdk.files import append_lines, read_lines, write_text
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel, result_of
from j1sdk.judging import check_same_tasks, claim, key
from j1sdk.scaling import Samples, Scaling, add_up
from j1sdk.scaling.mean import Mean
from j1sdk.scaling.meta_judge import MetaJudge
from j1sdk.scaling.single import Single
from j1sdk.scaling.vote import Vote, majority
from j1sdk.types import Judgment, JudgmentTask, Presentation

SPENDING_FILE, SAMPLES_FILE = "scaling.json", "samples.jsonl"


class Pool:
    """Samples of one judge, kept in a file: each is drawn once."""

    def __init__(self, judge: JudgeRewardModel, path: Path) -> None:
        self.judge = judge
        self.known = dict(read_samples(path))
        self.drawn: Callable[[], None] = lambda: None
        """Called after each new sample."""
        self._path = path

    def of(self, shown: Presentation) -> Samples:
        """The samples of one presentation."""
        return Samples(partial(self._draw, shown), self.judge.engine)

    async def _draw(self, shown: Presentation, number: int) -> Judgment:
        place = key(shown), number
        if place not in self.known:
            made = await self.judge.draw_async(shown, number)
            append_lines(self._path, [json.dumps([number, made.model_dump(mode="json")])])
            self.known[place] = made
            self.drawn()
        return self.known[place]


def read_samples(path: Path) -> Iterator[tuple[tuple[Key, int], Judgment]]:
    """The samples of a file by what they are of and their number; raises DataError."""
    for where, line in read_lines(path):
        try:
            number, described = json.loads(line)
            made = Judgment.model_validate(described)
        except (ValueError, TypeError) as error:
            raise DataError(f"{where} is no sample of ours: move the file away") from error
        yield ((made.task_id, made.order), number), made


class Strategy(NamedTuple):
    """A way to judge a presentation."""

    name: str
    n: int
    judge: Callable[[Presentation], Awaitable[Judgment]]


def scale_to_folder(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], counts: Sequence[int], out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Spending]:  # fmt: skip
    """What each strategy achieves with each count of samples, also in `out`/scaling.json.

    Goes on from the samples that are in `out`. Raises ConfigError where they are another judge's
    or of other tasks, and for a judge that does not sample.
    """
    if max(counts) > 1 and not judge.sampling.temperature:
        raise ConfigError(
            "at temperature 0 all samples are alike: set sampling.temperature (--temperature)"
        )
    claim(out, judge)
    plain, forced = pools_of(judge, counts, out)
    by_task = [judge.presentations(task) for task in tasks]
    first = {place: made for (place, number), made in plain.known.items() if number == 0}
    check_same_tasks(plain.judge, by_task, first, out)
    total = sum(map(len, by_task)) * (max(counts) + len(forced))
    pools = (plain, *forced.values())
    for pool in pools:
        pool.drawn = lambda: progress(min(sum(len(one.known) for one in pools), total), total)
    pools[0].drawn()
    chosen = (*strategies(plain, counts), *forcings(plain, forced))
    spent = [run(_judged(strategy, tasks, by_task)) for strategy in chosen]
    described = [one.model_dump(mode="json") for one in spent]
    write_text(out / SPENDING_FILE, json.dumps(described, indent=2))
    return spent


async def _judged(
    strategy: Strategy, tasks: Sequence[JudgmentTask], by_task: Sequence[Sequence[Presentation]]
) -> Spending:
    async def judge(task: JudgmentTask, shown: Sequence[Presentation]) -> Any:
        return result_of(task, await asyncio.gather(*map(strategy.judge, shown)))

    results = await asyncio.gather(*map(judge, tasks, by_task))
    return spending(strategy.name, strategy.n, results)


def pools_of(
    judge: JudgeRewardModel, counts: Sequence[int], out: Path
) -> tuple[Pool, dict[int, Pool]]:
    """The judge's samples; and for a format that forces, those of each number of rounds."""
    format, unforced = judge.format, unforced_format(judge.format)
    if unforced is None:
        return Pool(judge, out / SAMPLES_FILE), {}

    def of(kind: JudgmentFormat, name: str) -> Pool:
        return Pool(judge.replace(format=kind), out / name)

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
        for n in counts:
            yield Strategy(name, n, _on(pool, scaling(n)))


def with_samples(scaling: Scaling, n: int) -> Scaling:
    """A scaling with another number of samples, of which it keeps as large a share as before."""
    changes = {"n": n}
    if isinstance(scaling, MetaJudge):
        changes["keep"] = max(1, n * scaling.keep // scaling.n)
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
