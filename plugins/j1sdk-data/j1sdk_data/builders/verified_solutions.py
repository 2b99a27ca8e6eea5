"""Right solutions against wrong ones, told apart by their final answer.

The teacher solves each problem several times. A solution whose final answer is the reference's is
right, any other is wrong, and each right one can be paired with each wrong one. So the label is
verified, but only as far as the answer goes: a right answer may have wrong steps.

Source: the MATH part of the data of EvalPlanner (arXiv 2501.18099) and J1 (arXiv 2505.10320). The
wording is ours.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice, product
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from j1sdk.errors import ConfigError, DataError, EngineError
from j1sdk.types import Completion, Conversation, JudgmentTask, Usage
from j1sdk_data.builders import ENGINE_ERROR, Built, Item
from j1sdk_data.builders.prompts import Prompted
from j1sdk_data.builders.teacher import Taught, quoted
from j1sdk_data.builders.verifiers import VERIFIERS, Verifier

RIGHT, WRONG, UNREADABLE = "right", "wrong", "unreadable"
MARKS = (RIGHT, WRONG, UNREADABLE, ENGINE_ERROR)
"""What can become of a solution."""
Pairs = Iterable[JudgmentTask]


class VerifiedSolutions(Prompted, Taught):
    """Chosen: a right solution. Rejected: a wrong one of the same problem."""

    name: ClassVar[str] = "verified-solutions"
    failures: ClassVar[tuple[str, ...]] = ("all_right", "all_wrong", "all_unreadable")
    samples: int = Field(default=8, ge=2)
    """Solutions of each problem."""
    verifier: Literal["number", "boxed"] = "number"
    r"""How a solution's answer is found: the number on its last line, or in its last `\boxed{}`."""
    unreadable: Literal["drop", "wrong"] = "drop"
    """A solution without a final answer is left out, or counts as wrong. As a rejected response it
    teaches a judge to look for the last line and not at the solution."""
    pairs: Literal["one", "all"] = "one"
    """One pair of each problem, or every right solution with every wrong one."""
    instruction: str | None = None
    """What follows the problem; the verifier's own words unless given."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.sampling.temperature:
            raise ConfigError(
                f"at temperature 0 all {self.samples} solutions are one: set sampling.temperature"
            )
        return self

    def items(self) -> Iterator[Item]:
        for item in super().items():
            if self._verifier.reference(item.reference or "") is None:
                raise DataError(
                    f"{self.path}, {item.id}: the reference has no answer that verifier"
                    f" {self.verifier!r} reads: {(item.reference or '')[-80:]!r}"
                )
            yield item

    async def build(self, item: Item) -> Built:
        asked = self._asked(item.prompt)
        drawn = await asyncio.gather(
            *(self._solve(item, asked, number) for number in range(self.samples))
        )
        gold = self._verifier.reference(item.reference or "")
        marked = [(self._mark(one, gold), one) for one in drawn]
        pairs = tuple(self._paired(item, marked))
        counts = Counter(mark for mark, _ in marked)
        return Built(
            pairs=pairs,
            failure="" if pairs else why(counts),
            detail=next((one for one in drawn if isinstance(one, str)), ""),
            counts={mark: counts[mark] for mark in MARKS},
            usage=sum((one.usage for one in drawn if isinstance(one, Completion)), Usage()),
        )

    async def _solve(self, item: Item, asked: Conversation, number: int) -> Completion | str:
        """One solution, or why the engine wrote none."""
        try:
            return await self.ask(item, asked, number)
        except EngineError as error:
            return str(error)

    def _mark(self, drawn: Completion | str, gold: Hashable) -> str:
        if isinstance(drawn, str):
            return ENGINE_ERROR
        # of an answer that was cut off, a part may still look like one
        found = None if drawn.finish_reason == "length" else self._verifier.answer(drawn.text)
        return UNREADABLE if found is None else RIGHT if found == gold else WRONG

    def _paired(self, item: Item, marked: Sequence[tuple[str, Completion | str]]) -> Pairs:
        """Distinct right solutions with distinct wrong ones, in the order they were drawn."""
        losing = (WRONG, UNREADABLE) if self.unreadable == "wrong" else (WRONG,)
        written = [(mark, one) for mark, one in marked if isinstance(one, Completion)]
        texts = [(mark, one.text) for mark, one in written if one.text]
        right = dict.fromkeys(text for mark, text in texts if mark == RIGHT)
        wrong = dict.fromkeys(text for mark, text in texts if mark in losing and text not in right)
        both = product(enumerate(right), enumerate(wrong))
        if self.pairs == "one":
            return (item.task(chosen, rejected) for (_, chosen), (_, rejected) in islice(both, 1))
        return (item.task(chosen, rejected, f"/{i}-{j}") for (i, chosen), (j, rejected) in both)

    def _asked(self, prompt: Conversation) -> Conversation:
        """The problem, then how to answer it."""
        words = self._verifier.instruction if self.instruction is None else self.instruction
        *before, last = quoted(prompt, self.engine.reserved)
        content = f"{last.content}\n\n{words}" if words else last.content
        return (*before, last.model_copy(update={"content": content}))

    @property
    def _verifier(self) -> Verifier:
        return VERIFIERS[self.verifier]


def why(counts: Counter[str]) -> str:
    """Why these solutions make no pair. What the engine did not write might have made one."""
    if counts[ENGINE_ERROR]:
        return ENGINE_ERROR
    if counts[RIGHT]:
        return "all_right"
    return "all_wrong" if counts[WRONG] else "all_unreadable"
