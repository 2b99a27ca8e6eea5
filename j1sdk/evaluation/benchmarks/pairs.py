"""Pairs of your own, as a benchmark: whatever the source `jsonl` reads, with labels.

Of several responses, each preferred one is compared with each other one. Scores are over all tasks,
and by subset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk.data.jsonl import Fields, JsonLines
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.credits import STRICT, Means, Number
from j1sdk.evaluation.metrics import NO_SUBSET
from j1sdk.evaluation.rows import Row
from j1sdk.types import JudgmentTask


class Pairs(Benchmark):
    """Preference data of your own."""

    name: ClassVar[str] = "pairs"
    headline: ClassVar[str] = STRICT
    fields: Fields = {}
    """As of the source `jsonl`."""

    def rows(self) -> Iterator[Row]:
        """What the source `jsonl` makes of the data; raises DataError."""
        if self.path is None:
            yield from super().rows()  # says what is missing
            return
        for task in JsonLines(path=self.path, fields=self.fields).tasks():
            yield Row(f"{self.path}, task {task.id}", {"task": task})

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        task: JudgmentTask = row.values["task"]
        if task.tied:
            return
        if not self.matches(task):
            raise row.wrong("preferred", "no response is preferred to another")
        yield task

    def matches(self, task: JudgmentTask) -> list[tuple[int, int]]:
        """Each preferred response with each other one."""
        return task.contests

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        subsets = {one: means[STRICT].of(one) for one in means[STRICT].totals if one != NO_SUBSET}
        return {**super().aggregate(means), **subsets}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        """How many tasks are ties by their label, which no verdict is right about."""
        if self.path is None:
            return []
        tied = [row.values["task"].tied for row in self.rows()]
        left_out = f"{sum(tied):,} of {len(tied):,} tasks are ties by their label, and left out."
        return [left_out] if any(tied) else []
