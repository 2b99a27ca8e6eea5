"""Sums as judgment tasks, and how a judge of them thinks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from j1sdk import JudgmentTask, Presentation, presentations
from j1sdk.data import Demonstration, JudgmentPreference, Source, gold_scores, opposite
from j1sdk.formats import JudgmentFormat
from j1sdk_quickstart.sums import Sum, draw, mistake


class Arithmetic(Source):
    """Pairs of a right and a wrong answer to a sum; verifiable, endless, the same for a seed."""

    name: ClassVar[str] = "arithmetic"
    seed: int = 0
    """Of the sums drawn."""
    limit: int | None = Field(default=300, ge=1)
    """How many tasks to draw."""
    held_out: bool = True
    """Only operand pairs never seen in training; otherwise only the others."""
    bias: float = Field(default=0.0, ge=0.0, le=1.0)
    """In demonstrations, the share of losing first responses that win all the same."""
    neither: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of demonstrations in which both responses are wrong: a judge that could count on one
    being right would learn to choose between them and not to add."""

    def tasks(self) -> Iterator[JudgmentTask]:
        generator = random.Random(self.seed)
        for number in range(self.limit or 300):
            drawn = draw(generator, self.held_out)
            yield JudgmentTask.from_pair(
                drawn.question,
                drawn.answer,
                mistake(drawn, generator),
                id=f"sum-{self.seed}-{number}",
            )

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        """One random presentation of each task, with a thought that works the sum out."""
        generator = random.Random(seed)
        for task in self.tasks():
            shown = generator.choice(presentations(task, format.arity))
            scores = gold_scores(shown, format)
            if generator.random() < self.neither:
                shown, scores = spoilt(shown, generator), generator.choice((scores, scores[::-1]))
            if scores[0] < max(scores) and generator.random() < self.bias:
                scores = scores[::-1]
            yield Demonstration(shown=shown, answer=format.write(scores, thought(shown)))

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        """One random presentation of each task: verdicts that follow from the thought, or not."""
        generator = random.Random(seed)
        for task in self.tasks():
            shown = generator.choice(presentations(task, format.arity))
            gold, worked = gold_scores(shown, format), thought(shown)
            yield JudgmentPreference(
                shown=shown,
                chosen=format.write(gold, worked),
                rejected=format.write(opposite(gold, format), worked),
            )


def spoilt(shown: Presentation, generator: random.Random) -> Presentation:
    """The presentation with mistakes in all of its responses."""
    drawn = sum_of(shown)
    wrong = tuple(mistake(drawn, generator) for _ in shown.task.responses)
    task = shown.task.model_copy(update={"responses": wrong, "preferred": None})
    return shown.model_copy(update={"task": task})


def sum_of(shown: Presentation) -> Sum:
    """The sum that is asked for."""
    return Sum(*map(int, shown.prompt[0].content.split("+")))


def thought(shown: Presentation) -> str:
    """`07+04=011; A011 right; B012 wrong`: the sum worked out, then each response checked."""
    drawn = sum_of(shown)
    checks = [
        f"; {letter}{response} {'right' if response == drawn.answer else 'wrong'}"
        for letter, response in zip("AB", shown.responses, strict=False)
    ]
    return f"{drawn.question}={drawn.answer}" + "".join(checks)
