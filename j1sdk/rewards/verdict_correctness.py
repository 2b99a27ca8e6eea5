"""Is the gold response strictly preferred? (J1, section 3: the reward of its headline models)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from j1sdk.formats import JudgmentFormat
from j1sdk.rewards import GoldReward, is_correct
from j1sdk.types import Judgment, JudgmentTask


class VerdictCorrectness(GoldReward):
    """`right` where the score order agrees with gold, each order by itself."""

    name: ClassVar[str] = "verdict-correctness"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"
    arities: ClassVar[tuple[int, ...]] = (2,)

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [
            self.value(is_correct(task, judgment)) if judgment.ok else self.unparseable
            for judgment in judgments
        ]
