"""Judgments to be measured."""

from __future__ import annotations

import math

from j1sdk.judge import result_of
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Scores, Usage


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """The textbook formula, at 95%."""
    z, share = 1.959963984540054, successes / trials
    middle = share + z * z / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return (middle - reach) / scale, (middle + reach) / scale


RATES = (
    "accuracy",
    "position_consistent_accuracy",
    "verdict_flip_rate",
    "tie_rate",
    "invalid_rate",
)


def judgment(
    order: tuple[int, ...],
    scores: Scores | None,
    status: JudgmentStatus = JudgmentStatus.UNPARSEABLE,
    tokens: int = 0,
) -> Judgment:
    return Judgment(
        task_id="t",
        order=order,
        scores=scores,
        status=status if scores is None else JudgmentStatus.OK,
        usage=Usage(completion_tokens=tokens),
    )


def pair(
    first: Scores | None, second: Scores | None, gold: int | None = 0, subset: str | None = None
) -> JudgeResult:
    """A pair judged in both orders; `second` are the scores as shown, swapped."""
    task = JudgmentTask(prompt="q", responses=("x", "y"), preferred=gold, subset=subset)
    return result_of(task, [judgment((0, 1), first), judgment((1, 0), second)])


def points(*scores: float | None, gold: int | None = 0) -> JudgeResult:
    """Responses scored one by one."""
    responses = tuple(str(place) for place in range(len(scores)))
    task = JudgmentTask(prompt="q", responses=responses, preferred=gold)
    shown = [
        judgment((place,), None if score is None else (score,))
        for place, score in enumerate(scores)
    ]
    return result_of(task, shown)


A_WINS, B_WINS, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
CONSISTENT, WRONG = pair(A_WINS, B_WINS), pair(B_WINS, A_WINS)
FLIP_FIRST, FLIP_SECOND = pair(A_WINS, A_WINS), pair(B_WINS, B_WINS)
