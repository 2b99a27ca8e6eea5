"""Where preference pairs are made: a builder turns prompts into (chosen, rejected).

A builder is a component with two methods. `items()` yields what pairs are made of, in a fixed
order; `build(item)` makes them, or says why it could not:

    class Shortened(Builder):
        name = "shortened"
        failures = ("nothing_to_cut",)

        def items(self):
            yield Item(id="1", prompt="Name two colours.", response="Red. Blue.")

        async def build(self, item):
            short, _, rest = item.response.partition(". ")
            return item.pair(item.response, short) if rest else Built(failure="nothing_to_cut")

`j1sdk_data.building` runs a builder over all of its items into a folder that can be resumed. There
an `EngineError` that `build` raises is counted as a failure; any other exception is a mistake in
the builder, and raised.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from j1sdk.component import Component, Value
from j1sdk.types import Conversation, JudgmentTask, Usage

ENGINE_ERROR = "engine_error"
"""The one failure every builder can have."""


class Built(Value):
    """What became of one item: pairs, or the reason why there are none."""

    pairs: tuple[JudgmentTask, ...] = ()
    """Each of two responses, the chosen one first."""
    failure: str = ""
    """Why there are no pairs: one of the builder's `failures`, or `engine_error`."""
    detail: str = ""
    """What was in the way, in words: for instance what the teacher wrote."""
    counts: dict[str, int] = {}
    """What else the builder counts, such as right and wrong solutions."""
    usage: Usage = Usage()


class Item(Value):
    """What pairs are made of: a prompt, and what is known about it."""

    id: str = Field(min_length=1)
    prompt: Conversation = Field(min_length=1)
    response: str | None = None
    """A response that is good, where there is one."""
    reference: str | None = None
    """The reference answer, where there is one."""
    subset: str | None = None

    @property
    def digest(self) -> str:
        """Names the content, so that another item of the same id is told apart."""
        return hashlib.sha256(self.model_dump_json().encode("utf-8")).hexdigest()[:16]

    def task(self, chosen: str, rejected: str, suffix: str = "") -> JudgmentTask:
        """The pair as a task; `suffix` tells several pairs of one item apart."""
        return JudgmentTask.from_pair(
            self.prompt,
            chosen,
            rejected,
            reference=self.reference,
            subset=self.subset,
            id=self.id + suffix,
        )

    def pair(self, chosen: str, rejected: str) -> Built:
        """An item of which one pair was made."""
        return Built(pairs=(self.task(chosen, rejected),))


class Builder(Component):
    """Makes preference pairs."""

    kind: ClassVar[str] = "builders"
    failures: ClassVar[tuple[str, ...]] = ()
    """Every reason `build` gives for making no pair, besides `engine_error`."""

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """All items, each with an id of its own, in the same order each time; raises DataError."""

    @abstractmethod
    async def build(self, item: Item) -> Built:
        """The pairs of one item, or why there are none; raises EngineError."""
