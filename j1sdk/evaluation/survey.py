"""What recorded judgments hold, gone through once: their metrics, and what a reader must know.

A missing order, a label that is missing or a tie, a subset that no score counts: each of them can
move a score without showing in it, so each is a note.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from j1sdk.errors import DataError, did_you_mean
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.calibration import chance_of_gold
from j1sdk.evaluation.metrics import NO_SUBSET, Tally, pairs_of
from j1sdk.evaluation.records import result_from
from j1sdk.judgments import Record
from j1sdk.types import JudgeResult


class Survey:
    """Counts of the tasks that went by."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        self.tally = Tally(benchmark.pairs)
        self.subsets: dict[str, Tally] = {}
        self._counts: Counter[str] = Counter()
        self._thought = 0
        self.chances: list[float] = []
        """How likely each pair's preferred response was, where that is known."""

    @property
    def thought_length(self) -> float | None:
        """Mean characters of thought before the answer; None where no record says."""
        counted = self._counts["thoughts"]
        return self._thought / counted if counted else None

    def labelled(self, tasks: Iterable[Sequence[Record]]) -> Iterator[JudgeResult]:
        """The judged tasks of which some response is preferred to another, each of them counted.

        Raises DataError where there is none.
        """
        for members in tasks:
            result = result_from(members)
            self._counts["tasks"] += 1
            if result.task.contests:
                self._count(result, members)
                yield result
            else:
                self._counts["gold ties" if result.task.golds else "unlabelled"] += 1
        if not self.subsets:
            raise DataError(
                "no judgment says which response is preferred (`preferred`, an index from 0). Where"
                " an older version wrote the file, the same `j1 judge` command adds it, and judges"
                " nothing again"
            )

    def _count(self, result: JudgeResult, members: Sequence[Record]) -> None:
        subset = result.task.subset or NO_SUBSET
        for tally in (self.tally, self.subsets.setdefault(subset, Tally(self._benchmark.pairs))):
            tally.add(result)
        thoughts = [one.thought_length for one in members if one.thought_length is not None]
        self._counts["thoughts"] += len(thoughts)
        self._thought += sum(thoughts)
        views = self._benchmark.pairs(result)
        self.chances += [p for view in views if (p := chance_of_gold(view)) is not None]
        orders = {judgment.order for judgment in result.judgments}
        self._counts["repeated"] += len(result.judgments) - len(orders)
        if any(len(order) > 1 for order in orders):
            self._counts["pairwise"] += 1
            self._counts["one order"] += any(len(pair) < 2 for pair in pairs_of(result))
        self._counts["no subset"] += result.task.subset is None

    def notes(self) -> Iterator[str]:
        """What a reader must know of what was counted."""
        counts, size = self._counts, self._benchmark.size
        kept = counts["tasks"] - counts["unlabelled"] - counts["gold ties"]
        if size not in (None, counts["tasks"]):
            yield f"{counts['tasks']:,} of {size:,} tasks: not comparable with published figures."
        if counts["one order"]:
            of = f"{counts['one order']:,} of {counts['pairwise']:,} tasks"
            yield f"{of} were judged in one order only: their position bias does not cancel."
        if counts["unlabelled"]:
            yield f"{counts['unlabelled']:,} tasks have no `preferred`, and are left out."
        if counts["gold ties"]:
            yield f"{counts['gold ties']:,} tasks are ties by their gold label, and are left out."
        if counts["repeated"]:
            yield (
                f"{counts['repeated']:,} judgments are of a task and order that were judged before:"
                " their mean scores count."
            )
        if 0 < counts["no subset"] < kept:
            yield f"{counts['no subset']:,} of {kept:,} tasks have no subset."
        yield from self._strange_subsets()

    def _strange_subsets(self) -> Iterator[str]:
        known = sorted(self._benchmark.known_subsets)
        strange = [name for name in self.subsets if known and name not in (*known, NO_SUBSET)]
        if strange:
            meant = did_you_mean(strange[0], known)
            yield f"{self._benchmark.name} has no subset {', '.join(map(repr, strange))}{meant}"
        by_case = Counter(name.casefold() for name in self.subsets)
        if alike := [name for name in self.subsets if by_case[name.casefold()] > 1]:
            yield f"Subsets that differ in case only: {', '.join(alike)}."
