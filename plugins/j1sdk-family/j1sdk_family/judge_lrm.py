"""Rewards `rating-closeness` and `length-bonus`: JudgeLRM's terms beside a right verdict.

JudgeLRM (arXiv 2504.00050) scores both responses from 0 to 10 and is graded against the scores of
a stronger judge. Its other terms are j1sdk's `verdict-correctness` and `format-adherence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from j1sdk import JudgmentFormat, RewardStrategy
from j1sdk.rewards import is_correct
from j1sdk.types import Judgment, JudgmentTask
from j1sdk_family.think_j import gap, ratings_of


class RatingCloseness(RewardStrategy):
    """For a right verdict: how near the scores are to the task's ratings, and how decided.

    Nearness is the sum over both responses of |score - rating|. The scores must have the scale of
    the ratings. A wrong verdict, a tie and a failed judgment earn nothing.
    """

    name: ClassVar[str] = "rating-closeness"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"
    arities: ClassVar[tuple[int, ...]] = (2,)
    exact: float = 1.0
    """Earned by the very ratings."""
    near: float = 0.6
    """Earned by scores no further off than `within`."""
    within: float = Field(default=2.0, ge=0)
    """How far off the scores of both responses may be together, to earn `near`."""
    decided: float = 0.2
    """Earned besides by a margin at least that of the ratings."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [self._grade(task, judgment) for judgment in judgments]

    def _grade(self, task: JudgmentTask, judgment: Judgment) -> float:
        ratings = ratings_of(task)
        if judgment.scores is None or not is_correct(task, judgment):
            return 0.0
        pairs = zip(judgment.scores, judgment.order, strict=True)
        off = sum(abs(score - ratings[place]) for score, place in pairs)
        nearness = self.exact if off == 0 else self.near if off <= self.within else 0.0
        return nearness + (self.decided if gap(judgment.scores) >= gap(ratings) else 0.0)


class LengthBonus(RewardStrategy):
    """1 for a judgment that was read and is longer than `tokens`, prompt not counted."""

    name: ClassVar[str] = "length-bonus"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"
    tokens: int = Field(default=120, ge=0)
    """Length above which the bonus is paid."""

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        lengths = (one.usage.completion_tokens if one.ok else 0 for one in judgments)
        return [float(length > self.tokens) for length in lengths]
