"""Are the verdicts of both orders correct? (J1, section 3)"""

from __future__ import annotations

from typing import ClassVar

from j1sdk.rewards import PairedReward, is_correct
from j1sdk.types import Judgment, JudgmentTask


class VerdictConsistency(PairedReward):
    """`right` only where this rollout and its mate in the other order are both correct.

    It replaces verdict-correctness and is not mere agreement: being wrong in both orders earns
    nothing. A right rollout whose mate is not right earns `wrong`.
    """

    name: ClassVar[str] = "verdict-consistency"
    arities: ClassVar[tuple[int, ...]] = (2,)

    def grade_pair(self, task: JudgmentTask, own: Judgment, mate: Judgment) -> float:
        if not own.ok:
            return self.unparseable
        correct = is_correct(task, own)
        if correct:
            correct = mate.ok and is_correct(task, mate) is True
        return self.value(correct)
