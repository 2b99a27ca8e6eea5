"""Pairs of your own, as a benchmark: JSON lines of {prompt, chosen, rejected, subset?, id?}.

Or {prompt, responses, preferred, ...}, with any number of responses: whatever the source `jsonl`
reads, and says which response is preferred. Scores are over all tasks, and by subset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk.data.jsonl import JsonLines
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.credits import STRICT, Means, Number
from j1sdk.evaluation.metrics import NO_SUBSET
from j1sdk.evaluation.rows import Row
from j1sdk.judgments import golds_of
from j1sdk.types import JudgmentTask


class Pairs(Benchmark):
    """Preference data of your own."""

    name: ClassVar[str] = "pairs"
    headline: ClassVar[str] = STRICT

    def rows(self) -> Iterator[Row]:
        """The lines of the file, by what the source `jsonl` makes of them; raises DataError."""
        if self.path is None:
            yield from super().rows()  # says what is missing
            return
        for task in JsonLines(path=self.path).tasks():
            yield Row(f"{self.path}, task {task.id}", {"task": task})

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        task: JudgmentTask = row.values["task"]
        if not self.matches(task):
            raise row.wrong("preferred", "no response is preferred to another")
        yield task

    def matches(self, task: JudgmentTask) -> list[tuple[int, int]]:
        """Each preferred response with each other one."""
        golds = golds_of(task)
        others = [place for place in range(len(task.responses)) if place not in golds]
        return [(gold, other) for gold in golds for other in others]

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        subsets = {one: means[STRICT].of(one) for one in means[STRICT].totals if one != NO_SUBSET}
        return {**super().aggregate(means), **subsets}
