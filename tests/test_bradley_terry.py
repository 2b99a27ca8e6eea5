"""The fit, against a peak found otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from j1sdk.rankings.bradley_terry import PRIOR_VARIANCE, Fit, fitted, prior

Pair = tuple[int, int]

results = st.dictionaries(
    st.sampled_from(list(combinations(range(6), 2))), st.sampled_from([0.0, 0.5, 1.0])
)


@given(results)
@settings(max_examples=60, deadline=None)
def test_the_fit_is_the_peak_that_scipy_finds(read: dict[Pair, float]) -> None:
    def loss(strengths: Sequence[float]) -> float:
        odds = [(strengths[one] - strengths[other], won) for (one, other), won in read.items()]
        fits = sum(2 * (log(1 + exp(difference)) - won * difference) for difference, won in odds)
        return fits + sum(one**2 for one in strengths) / (2 * PRIOR_VARIANCE)

    best = minimize(loss, [0.0] * 6, method="BFGS", options={"gtol": 1e-8})
    found = fitted(read, prior(6))
    assert loss(found.strengths) <= best.fun + 1e-9
    assert found.strengths == pytest.approx(list(best.x), abs=1e-4)


def test_the_covariance_is_the_inverse_of_the_curvature() -> None:
    read = {(0, 1): 1.0, (1, 2): 0.5, (0, 2): 1.0}
    fit = fitted(read, prior(3))
    curvature = [[0.0] * 3 for _ in range(3)]
    for one in range(3):
        curvature[one][one] = 1 / PRIOR_VARIANCE
    for one, other in read:
        weight = 2 * fit.win(one, other) * fit.win(other, one)
        for row, column, sign in (
            (one, one, 1),
            (other, other, 1),
            (one, other, -1),
            (other, one, -1),
        ):
            curvature[row][column] += sign * weight
    for row in range(3):
        for column in range(3):
            product = sum(fit.covariance[row][k] * curvature[k][column] for k in range(3))
            assert product == pytest.approx(float(row == column), abs=1e-3)


def test_the_fit_does_not_depend_on_where_it_starts() -> None:
    read = {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (0, 3): 0.0}
    far = Fit([9.0, -9.0, 9.0, -9.0], prior(4).covariance)
    again = fitted(read, far).strengths
    assert again == pytest.approx(fitted(read, prior(4)).strengths, abs=1e-6)


def test_one_that_wins_all_stays_finite_and_first() -> None:
    read = {(0, other): 1.0 for other in range(1, 32)}
    fit = fitted(read, prior(32))
    assert 1 < fit.strengths[0] < 10
    assert fit.information(1, 2) > fit.information(0, 1)


def test_what_no_chain_of_comparisons_relates_the_prior_does() -> None:
    scores = fitted({(0, 1): 1.0, (2, 3): 1.0}, prior(5)).scores(range(5))
    assert scores[0] == pytest.approx(scores[2])
    assert scores[4] == pytest.approx(0.5)
    assert fitted({}, prior(2)).scores([]) == (None, None)
