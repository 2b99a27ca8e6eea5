"""Does the judge answer each criterion as is known? For rubrics that were answered by people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.rewards import RewardStrategy
from j1sdk.types import Judgment, JudgmentTask
from j1sdk_rubric.criteria import criteria_in
from j1sdk_rubric.rubric import Rubric


class CriteriaCorrectness(RewardStrategy):
    """The share of a task's criteria with gold (`met`) that are answered so."""

    name: ClassVar[str] = "criteria-correctness"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"
    arities: ClassVar[tuple[int, ...]] = (1,)
    unparseable: float = 0.0
    """The reading failed, whatever its status."""

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        super().check(format, orders)
        if not isinstance(format, Rubric):
            raise ConfigError(
                f"{self.name} grades answers to criteria, and {format.name} has none: set format ="
                ' "rubric"'
            )

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [self._grade(task, judgment) for judgment in judgments]

    def _grade(self, task: JudgmentTask, judgment: Judgment) -> float:
        criteria, (response,) = criteria_in(task.reference), judgment.order
        known = {
            place: gold / one.levels
            for place, one in enumerate(criteria)
            if response < len(one.met) and (gold := one.met[response]) is not None
        }
        if not known:
            raise ConfigError(
                f"task {task.id} has no criterion with gold for response {response}: give each a"
                ' list "met", or train by score-ordering'
            )
        if not judgment.ok:
            return self.unparseable
        right = [judgment.rounds[place] == (share,) for place, share in known.items()]
        return sum(right) / len(right)
