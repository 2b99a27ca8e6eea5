"""What a server is asked to score, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from j1sdk.adapters import Unscored, settle
from j1sdk.types import Conversation, Judgment

Reason = Literal["judgment", "deadline", "cohort"]
"""Why there is no score: a judgment failed, none came in time, or nothing came to rank with."""


@dataclass(frozen=True, slots=True)
class Item:
    """One response to score. Equal items are one question."""

    prompt: Conversation
    response: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one response."""

    score: float | None
    """0 to 1; None with a reason."""
    reason: Reason | None = None
    detail: str = ""
    tokens: float = 0.0
    """Tokens spent on this response: of a ranking, its share."""


def outcome_of(score: float | None, judgments: Sequence[Judgment], share: float = 1.0) -> Outcome:
    """The outcome of judgments that were made; without a score, the first that failed says why."""
    return Outcome(
        score=score,
        reason="judgment" if score is None else None,
        detail=first_failure(judgments) if score is None else "",
        tokens=share * sum(tokens_of(judgment) for judgment in judgments),
    )


def settled(outcomes: Sequence[Outcome], unscored: Unscored) -> list[float]:
    """The scores, with the declared stand-in for each that is missing; raises UnscoredError."""
    scores = settle([outcome.score for outcome in outcomes], unscored)
    return [score for score in scores if score is not None]


def logged(outcome: Outcome) -> dict[str, float]:
    """What a trainer logs of one response, under the same keys whatever became of it."""
    return {
        "j1/scored": float(outcome.score is not None),
        "j1/unscored": float(outcome.score is None),
        "j1/tokens": float(outcome.tokens),
    }


def tokens_of(judgment: Judgment) -> int:
    """Tokens read and written."""
    return judgment.usage.prompt_tokens + judgment.usage.completion_tokens


def first_failure(judgments: Sequence[Judgment]) -> str:
    """The status and complaint of the first judgment that failed."""
    failed = (f"{one.status}: {one.detail}" for one in judgments if not one.ok)
    return next(failed, "no judgment was read")
