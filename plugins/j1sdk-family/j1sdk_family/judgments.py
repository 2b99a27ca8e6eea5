"""A judge's own judgments as what it learns from: those that were right, and those that were not.

    j1 judge sampled.toml --data pairs.jsonl --out runs/samples    # scaling = { name = "vote" }

    [data]
    name = "judgments"
    path = "runs/samples"
    data = { name = "jsonl", path = "pairs.jsonl" }
    drop_easy = true

Of a presentation judged n times over (by a scaling that draws several), each sample is right or
wrong by the task's gold label. The right ones are demonstrations (rejective fine-tuning), a right
one and a wrong one are a preference. What is left out is counted, by its reason.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

from pydantic import Field

from j1sdk.component import Value
from j1sdk.data import Demonstration, JudgmentPreference, Learnt, Source
from j1sdk.errors import DataError, JudgmentError
from j1sdk.formats import JudgmentFormat
from j1sdk.types import JudgmentTask
from j1sdk_family.recorded import Sampled, judgments_by_task, sampled

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Example = TypeVar("Example", Demonstration, JudgmentPreference)
Counts = Counter[str]
"""Presentations left out, by reason; then the `examples` made of the `presentations` in all."""
PRESENTATIONS, EXAMPLES = "presentations", "examples"


class Selection(Value):
    """Which of a judge's judgments it learns from."""

    per_presentation: int = Field(default=1, ge=1)
    """Examples made of one presentation at most."""
    both_orders: bool = False
    """Keep only tasks that some sample judged right in every order."""
    drop_easy: bool = False
    """Leave out presentations of which every sample is right (DeepSeek-GRM's rejective tuning)."""
    balance: bool = False
    """As many examples in which the first response wins as in which the second does."""
    reject_unread: bool = False
    """In preferences, reject samples that could not be read as well as wrong ones."""


class Kept(NamedTuple):
    """What a presentation's examples are made of."""

    sampled: Sampled
    right: list[str]
    """The judge's own right texts, or else those it wrote with a hint."""


class Judgments(Selection, Source):
    """What `j1 judge` recorded of another source's tasks."""

    name: ClassVar[str] = "judgments"
    path: Path
    """The folder it wrote, or its judgments.jsonl."""
    data: Source
    """The tasks that were judged, with their gold labels."""
    hinted: Path | None = None
    """Judgments by a judge that was shown the answer: of use where no sample was right."""

    def tasks(self) -> Iterator[JudgmentTask]:
        """The tasks there are judgments of; raises DataError if there are none."""
        judged = judgments_by_task(self.path)
        found = [task for task in self.data.load() if task.id in judged]
        if not found:
            raise DataError(f"{self.path} has no judgment of these tasks")
        yield from found

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        yield from self._told(*self._demonstrations(format, seed))

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        yield from self._told(*self._preferences(format, seed))

    def account(self, format: JudgmentFormat, learnt: Learnt, seed: int) -> dict[str, int]:
        if learnt == "tasks":
            return {}
        made = self._demonstrations if learnt == "demonstrations" else self._preferences
        return dict(made(format, seed)[1])

    def _demonstrations(
        self, format: JudgmentFormat, seed: int
    ) -> tuple[list[Demonstration], Counts]:
        """Examples of right judgments, and the count of what was left out."""
        (kept, counts), generator = self.sift(), random.Random(seed)
        made = [
            Demonstration(shown=one.sampled.shown, answer=readable(text, format, one))
            for one in kept
            for text in self._pick(one.right, generator)
        ]
        return self._balanced(made, counts, generator)

    def _preferences(
        self, format: JudgmentFormat, seed: int
    ) -> tuple[list[JudgmentPreference], Counts]:
        """Examples of a right judgment over a wrong one, and the count of what was left out."""
        (kept, counts), generator = self.sift(), random.Random(seed)
        pairs = [(one, self._pick(self._pairs(one), generator)) for one in kept]
        counts["no wrong sample"] = sum(not found for _, found in pairs)
        made = [
            JudgmentPreference(
                shown=one.sampled.shown, chosen=readable(right, format, one), rejected=wrong
            )
            for one, found in pairs
            for right, wrong in found
        ]
        return self._balanced(made, counts, generator)

    def unsolved(self) -> list[JudgmentTask]:
        """The tasks with a presentation of which no sample is right."""
        tasks = {
            one.sampled.shown.task.id: one.sampled.shown.task
            for one in self._judged()
            if not one.sampled.right
        }
        return list(tasks.values())

    def sift(self) -> tuple[list[Kept], Counts]:
        """The presentations with something to learn from, and how many others are left out."""
        found, counts = list(self._judged()), Counts()
        counts[PRESENTATIONS] = len(found)
        found = leave_out("no right sample", found, lambda one: not one.right, counts)
        if self.both_orders:
            right = Counter(one.sampled.shown.task.id for one in found)
            half = {
                task.id
                for task in (one.sampled.shown.task for one in found)
                if right[task.id] < len(task.responses)
            }
            reason = "not right in every order"
            found = leave_out(reason, found, lambda one: one.sampled.shown.task.id in half, counts)
        if self.drop_easy:
            found = leave_out("all samples right", found, lambda one: one.sampled.easy, counts)
        return found, counts

    def _judged(self) -> Iterator[Kept]:
        own = judgments_by_task(self.path)
        told = judgments_by_task(self.hinted) if self.hinted else {}
        for task in self.tasks():
            helped = {one.shown.order: one.right for one in sampled(task, told.get(task.id, ()))}
            for one in sampled(task, own[task.id]):
                yield Kept(one, one.right or helped.get(one.shown.order, []))

    def _pairs(self, one: Kept) -> list[tuple[str, str]]:
        rejected = one.sampled.wrong + (one.sampled.unread if self.reject_unread else [])
        return list(product(one.right, rejected))

    def _pick(self, items: Sequence[Item], generator: random.Random) -> list[Item]:
        """As many as one presentation may give, at random, none twice."""
        distinct = list(dict.fromkeys(items))
        return generator.sample(distinct, min(self.per_presentation, len(distinct)))

    def _balanced(
        self, made: list[Example], counts: Counts, generator: random.Random
    ) -> tuple[list[Example], Counts]:
        kept = balanced(made, lambda one: one.shown.gold, generator) if self.balance else made
        counts["too many of one verdict"] = len(made) - len(kept)
        counts[EXAMPLES] = len(kept)
        return kept, counts

    def _told(self, made: list[Example], counts: Counts) -> list[Example]:
        """The examples; says what was left out. Raises DataError if that is everything."""
        left = ", ".join(
            f"{reason} {count}"
            for reason, count in counts.items()
            if count and reason not in (PRESENTATIONS, EXAMPLES)
        )
        told = f"{self.path}: {counts[EXAMPLES]} examples of {counts[PRESENTATIONS]} presentations"
        if not made:
            raise DataError(f"{told}, so there is nothing to learn: {left}")
        if left:
            logger.warning("%s; left out: %s", told, left)
        return made


def leave_out(
    reason: str, found: list[Kept], out: Callable[[Kept], bool], counts: Counts
) -> list[Kept]:
    """Those that are not to be left out; counts the others under their reason."""
    kept = [one for one in found if not out(one)]
    counts[reason] = len(found) - len(kept)
    return kept


def balanced(
    items: Sequence[Item],
    kind: Callable[[Item], Hashable],
    generator: random.Random,
    kinds: int = 2,
) -> list[Item]:
    """As many of each kind as of the rarest, the others left out at random; the order stays."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        places[kind(item)].append(place)
    least = min(map(len, places.values())) if len(places) == kinds else 0
    kept = {place for same in places.values() for place in generator.sample(same, least)}
    return [item for place, item in enumerate(items) if place in kept]


def readable(text: str, format: JudgmentFormat, one: Kept) -> str:
    """The text; raises DataError where it is no judgment in this format."""
    try:
        format.parse(text)
    except JudgmentError as error:
        raise DataError(
            f"a judgment of task {one.sampled.shown.task.id} is none in the format {format.name}"
            f" ({error}): train the format that was judged with"
        ) from error
    return text
