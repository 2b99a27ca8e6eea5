"""Where judgment tasks come from.

A source is a component with one method, `tasks()`, that yields `JudgmentTask`s in a fixed order.
Bad records raise `DataError` naming the file, line and field.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from j1sdk.component import Component, Value
from j1sdk.errors import DataError
from j1sdk.formats import JudgmentFormat
from j1sdk.lazy import lazy
from j1sdk.types import JudgmentTask, Presentation, presentations

if TYPE_CHECKING:
    from j1sdk.data.jsonl import JsonLines, read_lines
    from j1sdk.data.shapes import task_of

__all__ = [
    "Demonstration",
    "JsonLines",
    "JudgmentPreference",
    "Learnt",
    "Source",
    "gold_scores",
    "opposite",
    "read_lines",
    "task_of",
]
__getattr__ = lazy(__name__)

Learnt = Literal["tasks", "demonstrations", "preferences"]
"""What a trainer takes from a source."""


class Demonstration(Value):
    """A presentation and what a judge should write about it: one example for SFT."""

    shown: Presentation
    answer: str


class JudgmentPreference(Value):
    """A presentation and two texts about it, of which a judge should prefer to write the first."""

    shown: Presentation
    chosen: str
    rejected: str


class Source(Component):
    """Where judgment tasks come from."""

    kind: ClassVar[str] = "sources"
    limit: int | None = Field(default=None, ge=1)
    """Take only the first so many."""

    @abstractmethod
    def tasks(self) -> Iterator[JudgmentTask]:
        """All tasks, in the same order each time; raises DataError."""

    def load(self) -> list[JudgmentTask]:
        """The tasks up to `limit`."""
        return list(islice(self.tasks(), self.limit))

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        """Examples for supervised fine-tuning: gold answers without a thought, in all orders.

        Sources that know how to think override this. Raises DataError for a task without gold.
        """
        for task in self.load():
            for shown in presentations(task, format.arity):
                yield Demonstration(shown=shown, answer=format.write(gold_scores(shown, format)))

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        """Examples for preference training: gold answers over their opposites, in all orders.

        Sources that know how to think override this. Raises DataError for a task without gold.
        """
        for task in self.load():
            for shown in presentations(task, format.arity):
                gold = gold_scores(shown, format)
                chosen, rejected = (format.write(one) for one in (gold, opposite(gold, format)))
                yield JudgmentPreference(shown=shown, chosen=chosen, rejected=rejected)

    def account(self, format: JudgmentFormat, learnt: Learnt, seed: int) -> dict[str, int]:
        """For a trainer's log: how much of what there is was taken and left out, by reason."""
        return {}


def gold_scores(shown: Presentation, format: JudgmentFormat) -> tuple[float, ...]:
    """The highest score for the preferred response and the lowest for the others."""
    if shown.task.preferred is None:
        raise DataError(f"task {shown.task.id} has no preferred response to demonstrate")
    low, high = format.score_range
    return tuple(high if index == shown.task.preferred else low for index in shown.order)


def opposite(scores: tuple[float, ...], format: JudgmentFormat) -> tuple[float, ...]:
    """The scores turned round within the format's range: the judgment that is just wrong."""
    low, high = format.score_range
    return tuple(low + high - score for score in scores)
