"""Are the sections asked for there, once, in order? (J1, section 3: an ablation, no gain)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from j1sdk.formats import JudgmentFormat
from j1sdk.rewards import RewardStrategy
from j1sdk.types import Judgment, JudgmentTask


class FormatAdherence(RewardStrategy):
    """1 where the answer has the format's sections, 0 where it has not."""

    name: ClassVar[str] = "format-adherence"
    scope: ClassVar[Literal["judgment", "task"]] = "judgment"

    def grade(
        self, task: JudgmentTask, judgments: Sequence[Judgment], format: JudgmentFormat
    ) -> list[float]:
        return [float(format.adheres(judgment.text)) for judgment in judgments]
