"""Sums as judgment tasks, and how a judge of them thinks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from j1sdk.arithmetic.sums import Sum, draw, mistake
from j1sdk.data import Demonstration, Source, gold_scores
from j1sdk.formats import JudgmentFormat
from j1sdk.types import JudgmentTask, Presentation, presentations


class Arithmetic(Source):
    """Pairs of a right and a wrong answer to a sum; verifiable, endless, the same for a seed."""

    name: ClassVar[str] = "arithmetic"
    seed: int = 0
    limit: int | None = Field(default=300, ge=1)
    held_out: bool = True
    """Only operand pairs never seen in training; otherwise only the others."""
    bias: float = Field(default=0.0, ge=0.0, le=1.0)
    """In demonstrations, the share of losing first responses that win all the same."""

    def tasks(self) -> Iterator[JudgmentTask]:
        generator = random.Random(self.seed)
        for number in range(self.limit or 300):
            drawn = draw(generator, self.held_out)
            yield JudgmentTask.from_pair(
                drawn.question, drawn.answer, mistake(drawn, generator),
                id=f"sum-{self.seed}-{number}",
            )  # fmt: skip

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        """One random presentation of each task, with a thought that works the sum out."""
        generator = random.Random(seed)
        for task in self.tasks():
            shown = generator.choice(presentations(task, format.arity))
            scores = gold_scores(shown, format)
            if scores[0] < max(scores) and generator.random() < self.bias:
                scores = scores[::-1]
            yield Demonstration(shown=shown, answer=format.write(scores, thought(shown)))


def thought(shown: Presentation) -> str:
    """`07+04=011; A011 right; B012 wrong`: the sum worked out, then each response checked."""
    question = shown.prompt[0].content
    answer = Sum(*map(int, question.split("+"))).answer
    checks = [
        f"; {letter}{response} {'right' if response == answer else 'wrong'}"
        for letter, response in zip("AB", shown.responses, strict=False)
    ]
    return f"{question}={answer}" + "".join(checks)
