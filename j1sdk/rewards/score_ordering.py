"""Does the preferred response get the strictly higher pointwise score? (J1, section 3)"""

from __future__ import annotations

from typing import ClassVar

from j1sdk.rewards import PairedReward, gold_of
from j1sdk.types import Judgment, JudgmentTask


class ScoreOrdering(PairedReward):
    """`right` for both rollouts of a pair where their scores are in the gold order.

    Supervision of single scores from preference pairs. If either rollout cannot be read, both
    earn `unparseable`.
    """

    name: ClassVar[str] = "score-ordering"
    arities: ClassVar[tuple[int, ...]] = (1,)

    def grade_pair(self, task: JudgmentTask, own: Judgment, mate: Judgment) -> float:
        if own.scores is None or mate.scores is None:
            return self.unparseable
        margin = own.scores[0] - mate.scores[0]
        if own.order[0] != gold_of(task):
            margin = -margin
        return self.value(None if margin == 0 else margin > 0)
