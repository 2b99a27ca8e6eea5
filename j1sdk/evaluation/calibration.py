"""Whether a judge is right as often as it says: from the probabilities of its verdicts.

Of a pair, p is how likely the judge has it that the preferred response is the better one: the mean
over both orders. It is right where p is above one half, and as confident as the larger of p and
1 - p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from j1sdk.component import Value
from j1sdk.evaluation.bootstrap import REPLICATES, SEED, numpy
from j1sdk.evaluation.metrics import Rate, rate_of
from j1sdk.judgments import first_chance
from j1sdk.types import JudgeResult

BINS, SHARES = 10, 10
"""Bins of confidence, of equal width from one half to 1; shares of the pairs, the surest first."""
LEAST = 1e-12
"""A preferred response that was impossible would make the mean log score infinite."""


class Bin(Value):
    """Pairs of about the same confidence."""

    confidence: float
    """Their mean."""
    right: Rate
    n: int


class Calibration(Value):
    """How far confidence can be trusted. Intervals are 95%, by a bootstrap over pairs."""

    n: int
    """Pairs of which every judgment has a probability."""
    error: Rate
    """Expected calibration error: how far confidence and the share right are apart, over bins."""
    brier: Rate
    """Mean of (1 - p) squared; 0.25 for a judge that always says one half."""
    log: Rate
    """Mean of -ln p, in nats; 0.693 for one half."""
    bins: tuple[Bin, ...]
    coverage: tuple[tuple[float, Rate], ...]
    """(share of the pairs, how many of these are right), the surest first."""


def chance_of_gold(view: JudgeResult) -> float | None:
    """P of a pair; None where a judgment has no probability, or it is not known what is right."""
    gold, chances = view.task.preferred, []
    for judgment in view.judgments:
        first = first_chance(judgment)
        if first is None or gold not in judgment.order:
            return None
        chances.append(first if judgment.order[0] == gold else 1 - first)
    return fmean(chances) if chances else None


def calibration_of(chances: Sequence[float]) -> Calibration | None:
    """What the p of each pair come to; None of none."""
    if not chances:
        return None
    p, random = numpy().asarray(chances), numpy().random.default_rng(SEED)
    replicates = [_scores(p[random.integers(len(p), size=len(p))]) for _ in range(REPLICATES)]
    error, brier, log = map(_with_interval, _scores(p), zip(*replicates, strict=True))
    return Calibration(
        n=len(p),
        error=error,
        brier=brier,
        log=log,
        bins=tuple(_bins(chances)),
        coverage=tuple(_coverage(chances)),
    )


def _scores(p: Any) -> tuple[float, float, float]:
    """Calibration error, Brier score and log score."""
    log = -numpy().log(numpy().maximum(p, LEAST))
    return _error(p), float(((1 - p) ** 2).mean()), float(log.mean())


def _error(p: Any) -> float:
    """The mean over pairs of how far the confidence of their bin is from the share right in it."""
    np = numpy()
    confidence, right = np.maximum(p, 1 - p), p > 0.5
    bins = np.minimum(((confidence - 0.5) * 2 * BINS).astype(int), BINS - 1)
    apart = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(apart).sum() / len(p))


def _with_interval(value: float, replicates: Sequence[float]) -> Rate:
    low, high = numpy().quantile(replicates, [0.025, 0.975])
    return Rate(value=value, low=min(float(low), value), high=max(float(high), value))


def _bins(chances: Sequence[float]) -> list[Bin]:
    found: dict[int, list[float]] = {}
    for p in chances:
        place = min(int((max(p, 1 - p) - 0.5) * 2 * BINS), BINS - 1)
        found.setdefault(place, []).append(p)
    made = []
    for _, inside in sorted(found.items()):
        right = rate_of([p > 0.5] for p in inside)
        if right:
            confidence = fmean(max(p, 1 - p) for p in inside)
            made.append(Bin(confidence=confidence, right=right, n=len(inside)))
    return made


def _coverage(chances: Sequence[float]) -> list[tuple[float, Rate]]:
    surest = sorted(chances, key=lambda p: -abs(p - 0.5))
    made = []
    for step in range(1, SHARES + 1):
        kept = surest[: math.ceil(len(surest) * step / SHARES)]
        if rate := rate_of([p > 0.5] for p in kept):
            made.append((step / SHARES, rate))
    return made
