"""What ways of judging achieve for the tokens they spend."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from j1sdk.component import Value
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.types import JudgeResult


class Spending(Value):
    """One way of judging, its cost and its metrics."""

    strategy: str
    n: int
    """Samples of a presentation, or rounds of thinking, at most."""
    calls: float
    """Engine calls per judgment, on average."""
    tokens: float
    """Tokens written per judgment, on average."""
    metrics: Metrics


def spending(strategy: str, n: int, results: Sequence[JudgeResult]) -> Spending:
    """What one way of judging came to."""
    usages = [judgment.usage for result in results for judgment in result.judgments]
    return Spending(
        strategy=strategy,
        n=n,
        calls=fmean(usage.calls for usage in usages),
        tokens=fmean(usage.completion_tokens for usage in usages),
        metrics=measure(results),
    )
