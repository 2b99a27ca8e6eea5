"""A judge as the reward of a policy: one adapter per RLHF framework, and what they share.

Every framework hands over prompts, what its policy wrote and perhaps reference answers, and takes
numbers. An adapter knows its words; the rest is shared:

    answers   what the judge is shown of a completion
    texts     prompts and responses that a chat template has rendered
    scores    the score of a response, alone or in its group, and what stands for a missing one
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.scores import (
    Item,
    Outcome,
    Unscored,
    logged,
    score_alone,
    score_group,
    settled,
)
from j1sdk.component import Component

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel

__all__ = [
    "Adapter",
    "Item",
    "Outcome",
    "Unscored",
    "conversation",
    "final_answer",
    "logged",
    "reference_answer",
    "score_alone",
    "score_group",
    "settled",
]


class Adapter(Component):
    """A judge as one framework takes it: `judge.as_reward_function(name, **options)`."""

    kind: ClassVar[str] = "adapters"
    unscored: Unscored = "drop"
    """What a response without a score gets: `drop` leaves it out, `group` is the mean of its scored
    siblings, `neutral` is 0.5, `floor` is 0, and `error` raises UnscoredError."""
    show_thinking: bool = False
    """Show the judge the policy's thinking too, not just its final answer."""

    @abstractmethod
    def reward_function(self, judge: JudgeRewardModel) -> Callable[..., Any]:
        """What the framework is given for a reward; raises ConfigError for what cannot work."""
