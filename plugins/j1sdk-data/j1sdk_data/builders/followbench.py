"""Pairs of which exactly one response meets all constraints: the making of a FollowBenchEval.

EvalPlanner (arXiv 2501.18099, section 3.2) measured judges on 205 pairs made of FollowBench's
instructions: both responses by one model, only one of them meeting every constraint. Those pairs
were not published, and this does not reproduce them: it makes others in the same manner, with a
model of your choice. Who found that a response meets the constraints is declared: upstream's rule
where there is one, and otherwise `checker`, another model, whose mistakes are in the labels.
`j1sdk_benchmarks.followbench` measures judges on the pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Self, cast

from pydantic import Field, model_validator

from j1sdk.deliberation import deliberate
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, EngineError
from j1sdk.types import JudgmentStatus, JudgmentTask, Presentation, Sampling, Usage
from j1sdk_data.builders import ENGINE_ERROR, Built, Item
from j1sdk_data.builders.constraints import (
    ConstraintChecks,
    ConstraintType,
    Instruction,
    growth,
    read_instructions,
)
from j1sdk_data.builders.teacher import Taught, quoted

MEETS, FAILS, UNCHECKED, TRUNCATED = "meets", "fails", "unchecked", "truncated"
CHECKED = (MEETS, FAILS, UNCHECKED)
MARKS = (*CHECKED, TRUNCATED, ENGINE_ERROR)
"""What can become of a response."""
BY_RULE, BY_CHECKER = "checked_by_rule", "checked_by_model"
FIVE: tuple[ConstraintType, ...] = ("content", "situation", "style", "format", "example")


class Constrained(Item):
    """An instruction as an item."""

    instruction: Instruction


class Response(NamedTuple):
    """One response of the model, and what became of it."""

    text: str
    mark: str
    checked_by: str = ""
    detail: str = ""
    usage: Usage = Usage()


class FollowBenchPairs(Taught):
    """Chosen: a response that meets all constraints. Rejected: one that does not."""

    name: ClassVar[str] = "followbench-pairs"
    failures: ClassVar[tuple[str, ...]] = ("all_meet", "all_fail", "all_unchecked")
    path: Path
    """The folder of FollowBench's `<type>_constraints.json`."""
    types: tuple[ConstraintType, ...] = Field(default=FIVE, min_length=1)
    """The five of FollowBenchEval; FollowBench also has `mixed`."""
    samples: int = Field(default=8, ge=2)
    """Responses to an instruction, at most: it is enough to have one of each kind."""
    checker: Engine
    """Finds whether constraints are met, where no rule does."""
    checking: Sampling = Sampling(max_new_tokens=4096, seed=0)
    """How the teacher draws its check of a response."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.sampling.temperature:
            raise ConfigError(
                f"at temperature 0 all {self.samples} responses are one: set sampling.temperature"
            )
        self.engine.accept(self.sampling)
        self.checker.accept(self.checking)
        return self

    def items(self) -> Iterator[Constrained]:
        for kind in self.types:
            for one in read_instructions(self.path, kind):
                yield Constrained.model_validate(
                    {
                        "id": one.id,
                        "prompt": one.text,
                        "subset": f"{kind}/L{one.level}",
                        "instruction": one,
                    }
                )

    async def build(self, item: Item) -> Built:
        drawn: list[Response] = []
        pair = None
        while pair is None and len(drawn) < self.samples:
            drawn.append(await self._respond(cast(Constrained, item), drawn))
            pair = paired(item, drawn)
        marks = Counter(mark for one in drawn for mark in (one.mark, one.checked_by) if mark)
        return Built(
            pairs=(pair,) if pair else (),
            failure="" if pair else why(marks),
            detail=next((one.detail for one in drawn if one.detail), ""),
            counts={mark: marks[mark] for mark in (*MARKS, BY_RULE, BY_CHECKER)},
            usage=sum((one.usage for one in drawn), Usage()),
        )

    async def _respond(self, item: Constrained, before: Sequence[Response]) -> Response:
        """The next response. A text that was checked before is not checked again."""
        try:
            asked = quoted(item.prompt, self.engine.reserved)
            written = await self.ask(item, asked, len(before))
        except EngineError as error:
            return Response("", ENGINE_ERROR, detail=str(error))
        if written.finish_reason == "length":  # it may have met what it had no room for
            return Response(written.text, TRUNCATED, usage=written.usage)
        for one in before:
            if one.mark in CHECKED and one.text == written.text:
                return one._replace(checked_by="", detail="", usage=written.usage)
        checked = await self._checked(item.instruction, written.text)
        return checked._replace(usage=written.usage + checked.usage)

    async def _checked(self, instruction: Instruction, text: str) -> Response:
        if rule := instruction.rule:
            met = rule(text, instruction.target)
            return Response(text, MEETS if met else FAILS, BY_RULE)
        task = JudgmentTask(prompt=growth(instruction), responses=(text,), id=instruction.id)
        judged = await deliberate(
            ConstraintChecks(constraints=instruction.level),
            self.checker,
            self.checking,
            Presentation(task=task, order=(0,)),
        )
        if judged.status is JudgmentStatus.ENGINE_ERROR:
            return Response(text, ENGINE_ERROR, detail=judged.detail)
        if judged.scores is None:
            return Response(text, UNCHECKED, BY_CHECKER, judged.detail, judged.usage)
        mark = MEETS if judged.scores == (1.0,) else FAILS
        return Response(text, mark, BY_CHECKER, usage=judged.usage)


def paired(item: Item, drawn: Sequence[Response]) -> JudgmentTask | None:
    """The first response that meets all constraints, with the first that does not."""
    met = [one.text for one in drawn if one.mark == MEETS]
    failed = [one.text for one in drawn if one.mark == FAILS]
    return item.task(met[0], failed[0]) if met and failed else None


def why(marks: Counter[str]) -> str:
    """Why these responses make no pair. What the engine did not write might have made one."""
    if marks[ENGINE_ERROR]:
        return ENGINE_ERROR
    if marks[MEETS]:
        return "all_meet"
    return "all_fail" if marks[FAILS] else "all_unchecked"
