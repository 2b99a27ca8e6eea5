"""A judge as a reward for policies: what each RLHF framework takes, and the rule for failures.

A failed judgment has no score. Where a framework can say so (TRL: None), that is what it gets.
Where it cannot, or where a run declares it, `unscored` decides, and the rate is always logged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from j1sdk.errors import ConfigError, UnscoredError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from j1sdk.judge import JudgeRewardModel

Unscored = Literal["none", "neutral", "floor", "error"]
"""What stands for a failed judgment: nothing, 0.5, 0, or an UnscoredError."""

FRAMEWORKS = ("trl",)


def settle(scores: Sequence[float | None], unscored: Unscored) -> list[float | None]:
    """The scores with the declared stand-in for each that is missing; raises UnscoredError."""
    missing = sum(score is None for score in scores)
    if missing and unscored == "error":
        raise UnscoredError(
            f'{missing} of {len(scores)} responses could not be scored, and unscored = "error"'
        )
    stand_in = {"none": None, "neutral": 0.5, "floor": 0.0, "error": None}[unscored]
    return [stand_in if score is None else score for score in scores]


def unscored_rate(scores: Sequence[float | None]) -> float:
    """Share of responses without a score."""
    return sum(score is None for score in scores) / len(scores) if scores else 0.0


def reward_function(
    judge: JudgeRewardModel, framework: str, unscored: Unscored = "none", **options: Any
) -> Callable[..., Any]:
    """The judge as a framework's reward function; raises ConfigError for an unknown framework."""
    if framework != "trl":
        raise ConfigError(f"no framework {framework!r}{did_you_mean(framework, FRAMEWORKS)}")
    from j1sdk.adapters.trl import trl_reward_function

    return trl_reward_function(judge, unscored=unscored, **options)
