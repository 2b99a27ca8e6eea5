"""Format `think-j`, a verdict with its strength, and the reward `preference-strength`.

Think-J (arXiv 2505.14268): the judge says which response is better and by how much, from 1 to 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from j1sdk import (
    ConfigError,
    JudgmentFormat,
    OutOfRange,
    Scores,
)
from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise
from j1sdk.formats.pairwise_verdict import BARE_ATTEMPT, VERDICT_MARKERS
from j1sdk.formats.sections import Part, Tag, read_parts, section, tag
from j1sdk.rewards import GoldReward, is_correct
from j1sdk.types import Judgment, JudgmentTask

VERDICT = re.compile(r"\[\[([AB])\]\] by ([0-9]{1,3})")
BARE_VERDICT = re.compile(r"(\[\[[AB]\]\] by [0-9]{1,3})(?!\.?[0-9])")


def verdict(text: str) -> tuple[str, int] | None:
    """The winner and its strength."""
    match = VERDICT.fullmatch(text)
    return (match[1], int(match[2])) if match else None


ANYWHERE = Part("[[A]] or [[B]] with a strength", BARE_VERDICT, BARE_ATTEMPT, verdict)
"""What a lenient reading looks for."""


class ThinkJ(Pairwise):
    """`<think>..</think> <answer>[[A]] by 2</answer>`; reads to (2, 0), the strength of the win."""

    name: ClassVar[str] = "think-j"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, *VERDICT_MARKERS)
    strengths: int = Field(default=3, ge=1, le=100)
    """The strongest preference there is; 1 is the weakest."""

    @property
    def score_range(self) -> tuple[float, float]:
        return (0.0, float(self.strengths))

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, tag("answer"))

    def instructions(self) -> str:
        return (
            "After that, give your verdict and nothing else: the better assistant, and by how much"
            f" it is better, from 1 (slightly) to {self.strengths} (clearly). For assistant A that"
            " is <answer>[[A]] by number</answer>, for assistant B <answer>[[B]] by"
            " number</answer>."
        )

    def parse(self, text: str) -> Scores:
        part = ANYWHERE if self.lenient else section("answer", verdict)
        ((letter, strength),) = read_parts(self.answer(text), [part], self.lenient)
        if not 1 <= strength <= self.strengths:
            raise OutOfRange(f"the strength is {strength}, outside 1 to {self.strengths}")
        return (float(strength), 0.0) if letter == "A" else (0.0, float(strength))

    def write(self, scores: Scores, thought: str = "") -> str:
        strength = max(scores)
        whole = {float(number) for number in range(1, self.strengths + 1)}
        if len(scores) != 2 or min(scores) != 0 or strength not in whole:
            raise ValueError(f"{scores} are not a strength from 1 to {self.strengths} and a zero")
        letter = "A" if scores[0] else "B"
        return f"{self.thought(thought)}<answer>[[{letter}]] by {strength:g}</answer>"


class PreferenceStrength(GoldReward):
    """`right` for a correct verdict, less |strength - known strength| / `scale`.

    The strength known is the difference of the task's `ratings`, in the format's own units. The
    published code pays 0.5 for an answer it cannot read, which makes refusing worth as much as
    guessing; here that earns `unparseable`.
    """

    name: ClassVar[str] = "preference-strength"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"
    arities: ClassVar[tuple[int, ...]] = (2,)
    scale: float = Field(default=8.0, gt=0)
    """A right verdict whose strength is off by this much loses 1."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        known = gap(ratings_of(task))
        return [self._grade(task, judgment, known) for judgment in judgments]

    def _grade(self, task: JudgmentTask, judgment: Judgment, known: float) -> float:
        if judgment.scores is None:
            return self.unparseable
        value = self.value(correct := is_correct(task, judgment))
        return value - abs(gap(judgment.scores) - known) / self.scale if correct else value


def ratings_of(task: JudgmentTask) -> Scores:
    """The task's ratings; raises ConfigError for one without them."""
    if task.ratings is None:
        raise ConfigError(f"task {task.id} has no ratings to grade against")
    return task.ratings


def gap(scores: Scores) -> float:
    """By how much one of two is ahead."""
    return abs(scores[0] - scores[1])
