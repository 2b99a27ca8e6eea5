"""The Bradley-Terry model: a strength per response, and how sure we are of it.

The first of a pair wins with probability sigmoid(strength - other strength) (Bradley and Terry,
Biometrika 1952). A normal prior keeps strengths finite where one has won all, and relates
responses that no chain of comparisons does. Plain Python: n is small, and the core loads no numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import exp, sqrt
from statistics import fmean
from typing import NamedTuple

PRIOR_VARIANCE = 4.0
"""Of a strength. Its scale is the judge's: 2 apart, and one wins 88 times of 100."""
TOLERANCE = 1e-4
"""Of the last step but one: near the peak each step squares what is left."""
LONGEST_STEP = 2.0

Matrix = list[list[float]]


class Fit(NamedTuple):
    """The most probable strengths, and their covariance about them."""

    strengths: Sequence[float]
    covariance: Matrix

    def win(self, one: int, other: int) -> float:
        """The probability that one response beats the other in one judgment."""
        return _sigmoid(self.strengths[one] - self.strengths[other])

    def hope(self, one: int) -> float:
        """How strong a response may well be: its strength, and a standard deviation more."""
        return self.strengths[one] + sqrt(self.covariance[one][one])

    def information(self, one: int, other: int) -> float:
        """What a judgment of the two is expected to tell: the variance it has, and explains."""
        of = self.covariance
        variance = of[one][one] + of[other][other] - 2 * of[one][other]
        win = self.win(one, other)
        return win * (1 - win) * variance

    def scores(self, known: Collection[int]) -> tuple[float | None, ...]:
        """Mean probability to win against the others that are known; None for one that is not."""
        return tuple(
            fmean(self.win(one, other) for other in known if other != one) if one in known else None
            for one in range(len(self.strengths))
        )


def prior(count: int) -> Fit:
    """What is known of n responses before any judgment."""
    return Fit([0.0] * count, _scaled_identity(count, PRIOR_VARIANCE))


def fitted(results: Mapping[tuple[int, int], float], start: Fit) -> Fit:
    """The fit to what the first of each pair won, from 0 to 1, on average over both its orders.

    Newton's method, which gets there from any start: the likelihood has one peak.
    """
    strengths = list(start.strengths)
    while True:
        slope, curvature = _derivatives(strengths, results)
        covariance = _inverse(curvature)
        step = [sum(map(float.__mul__, row, slope)) for row in covariance]
        scale = LONGEST_STEP / max(LONGEST_STEP, *map(abs, step))
        strengths = [one + scale * move for one, move in zip(strengths, step, strict=True)]
        if all(abs(move) < TOLERANCE for move in step):
            return Fit(strengths, covariance)


def _derivatives(
    strengths: Sequence[float], results: Mapping[tuple[int, int], float]
) -> tuple[list[float], Matrix]:
    """Of the log posterior: the slope, and minus the second derivatives."""
    slope = [-one / PRIOR_VARIANCE for one in strengths]
    curvature = _scaled_identity(len(strengths), 1 / PRIOR_VARIANCE)
    for (one, other), won in results.items():
        expected = _sigmoid(strengths[one] - strengths[other])
        surprise = 2 * (won - expected)
        slope[one] += surprise
        slope[other] -= surprise
        weight = 2 * expected * (1 - expected)
        curvature[one][one] += weight
        curvature[other][other] += weight
        curvature[one][other] -= weight
        curvature[other][one] -= weight
    return slope, curvature


def _inverse(matrix: Matrix) -> Matrix:
    """Gauss-Jordan elimination in place; a positive definite matrix needs no pivoting."""
    for at, row in enumerate(matrix):
        pivot, row[at] = row[at], 1.0
        unit = matrix[at] = [value / pivot for value in row]
        for below, other in enumerate(matrix):
            if below != at:
                factor, other[at] = other[at], 0.0
                matrix[below] = [
                    value - factor * one for value, one in zip(other, unit, strict=True)
                ]
    return matrix


def _scaled_identity(count: int, value: float) -> Matrix:
    return [[value if row == column else 0.0 for column in range(count)] for row in range(count)]


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))
