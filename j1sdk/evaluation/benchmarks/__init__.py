"""Public benchmarks of judges: their tasks, what is shown of them, and their own arithmetic.

A benchmark turns the official records into `JudgmentTask`s, and judgments into scores:

    class Coin(Benchmark):
        name = "coin"
        hub = "somebody/coin"
        headline = CONSISTENT

        def read(self, row):
            prompt, right, wrong = row.text("prompt"), row.text("right"), row.text("wrong")
            yield JudgmentTask.from_pair(prompt, right, wrong, subset="coin", id=row.name("id"))

Scoring needs no texts: it works on the judgments that `j1sdk.evaluation.records` reads. The path
from judgments to scores has three steps, each of which a benchmark may override:

    units(results)     what is resampled and compared: most often a task, with its `credits`
    credits(result)    what one task earned, under every convention; by default those of its pairs
    aggregate(means)   the named scores, from each credit's mean by subset, in plain arithmetic

`aggregate` is also given arrays with a value per bootstrap replicate, so it must not branch on
values. A score it leaves out is not known.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations, islice
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import Field

from j1sdk.component import Component
from j1sdk.errors import DataError
from j1sdk.evaluation.credits import Credits, Means, Number, mean_credits, pair_credits
from j1sdk.evaluation.metrics import NO_SUBSET
from j1sdk.evaluation.rows import Row, rows_at, rows_of_hub
from j1sdk.judge import result_of
from j1sdk.types import JudgeResult, JudgmentTask, Presentation, presentations


class Unit(NamedTuple):
    """What is drawn as a whole in a bootstrap, and compared between runs."""

    id: str
    subset: str
    credits: Credits


class Benchmark(Component):
    """A public benchmark."""

    kind: ClassVar[str] = "benchmarks"
    hub: ClassVar[str] = ""
    """Its Hugging Face data set; empty for data that only `path` can give."""
    headline: ClassVar[str]
    """The official score, by its name in `aggregate`."""
    known_subsets: ClassVar[Collection[str]] = ()
    """All that there are, where they are fixed: recorded judgments of others get a note."""
    path: Path | None = None
    """A file of the official records (.json, .jsonl, .parquet), or a folder of such files."""
    limit: int | None = Field(default=None, ge=1)
    """Take only the first so many tasks."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the data set that are read."""
        return ("test",)

    @property
    def size(self) -> int | None:
        """Tasks of the whole benchmark, where that is known."""
        return None

    @abstractmethod
    def read(self, row: Row) -> Iterator[JudgmentTask]:
        """The tasks of one official record, with subset and gold; raises DataError."""

    def rows(self) -> Iterator[Row]:
        """The official records, from `path` or the hub; raises DataError."""
        if self.path is not None:
            yield from rows_at(self.path, self.splits)
            return
        if not self.hub:
            raise DataError(f"{self.name} is not on the Hugging Face hub: {self.how}")
        for split in self.splits:
            yield from rows_of_hub(self.hub, split, self.how)

    @property
    def how(self) -> str:
        """How to get the records where there is no network."""
        if not self.hub:
            return "give its records as path (--data)"
        return (
            f"Without a network, download https://huggingface.co/datasets/{self.hub} elsewhere and"
            f" give the .parquet, .json or .jsonl files (or their folder) as path (--data)"
        )

    def tasks(self) -> list[JudgmentTask]:
        """The tasks, up to `limit`; an id that comes twice gets a number.

        Raises DataError, also where one task comes from two files.
        """
        read = ((row.file, task) for row in self.rows() for task in self.read(row))
        tasks = list(islice(_with_own_ids(read), self.limit))
        if not tasks:
            raise DataError(f"{self.path or self.hub} holds no task of {self.name}")
        return tasks

    def presentations(
        self, task: JudgmentTask, arity: int, both_orders: bool = True
    ) -> list[Presentation]:
        """What a judge is shown of a task; none for a task that it cannot be judged on.

        With one order only, the order is drawn by the task's id: most benchmarks put the better
        response first, and a judge that prefers what comes first would look good.
        """
        if arity == 1:
            return presentations(task, arity)
        shown = [Presentation(task=task, order=match) for match in self.matches(task)]
        if not both_orders:
            return [_tossed(one) for one in shown]
        return [*shown, *(Presentation(task=task, order=one.order[::-1]) for one in shown)]

    def matches(self, task: JudgmentTask) -> Iterable[tuple[int, int]]:
        """The pairs of responses, by index, that a pairwise judge is shown; here, all."""
        return combinations(range(len(task.responses)), 2)

    def pairs(self, result: JudgeResult) -> list[JudgeResult]:
        """Views of a result as tasks of two responses, a preferred one first in the index.

        A task of two is its own view; of more, each preferred against each other response,
        wherever there are judgments of both.
        """
        if len(result.task.responses) == 2:
            return [result]
        views = (view_of(result, gold, other) for gold, other in result.task.contests)
        return [view for view in views if view is not None]

    def credits(self, result: JudgeResult) -> Credits:
        """What one task earned, by convention; the mean over its pairs."""
        return mean_credits([pair_credits(view) for view in self.pairs(result)])

    def units(self, results: Iterable[JudgeResult]) -> list[Unit]:
        """What the scores are of: here, a unit per task. Results come one by one, and only once."""
        return [
            Unit(result.task.id, result.task.subset or NO_SUBSET, self.credits(result))
            for result in results
        ]

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        """The scores by name. Here each credit's mean over tasks."""
        return {name: mean.micro() for name, mean in means.items()}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        """What a reader must know of these scores, such as why one is missing."""
        return []


def view_of(result: JudgeResult, gold: int, other: int) -> JudgeResult | None:
    """Two responses of a task as a task of their own, the first preferred.

    None where they were not both judged.
    """
    places = {gold: 0, other: 1}
    judgments = [
        judgment.model_copy(update={"order": tuple(places[index] for index in judgment.order)})
        for judgment in result.judgments
        if set(judgment.order) <= places.keys()
    ]
    if {place for judgment in judgments for place in judgment.order} != {0, 1}:
        return None
    task = result.task.model_copy(
        update={
            "responses": (result.task.responses[gold], result.task.responses[other]),
            "preferred": 0,
            "ratings": None,
        }
    )
    return result_of(task, judgments)


def _tossed(shown: Presentation) -> Presentation:
    """The presentation, or its reverse, as a coin falls that depends on the task alone."""
    named = f"{shown.task.id} {shown.order}"
    tail = hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()[0] % 2
    return Presentation(task=shown.task, order=shown.order[::-1]) if tail else shown


def _with_own_ids(tasks: Iterator[tuple[str, JudgmentTask]]) -> Iterator[JudgmentTask]:
    """The tasks of files, each with an id of its own; raises DataError for one in two files."""
    seen: Counter[str] = Counter()
    files: dict[tuple[str, int], str] = {}
    for file, task in tasks:
        content = task.id, hash((task.prompt, task.responses))
        if (first := files.setdefault(content, file)) != file:
            raise DataError(
                f"{task.id} is in {first} and again in {file}: give one of the files, or a folder"
                " that has nothing but the benchmark, as path (--data)"
            )
        seen[task.id] += 1
        times = seen[task.id]
        yield task if times == 1 else task.model_copy(update={"id": f"{task.id}#{times}"})
