"""Credits of a pair by hand under every convention, and their laws on drawn ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import A_WINS, B_WINS, TIE, Scores, both, rated, record

from j1sdk.evaluation.credits import (
    AS_GIVEN,
    CONSISTENT,
    DECIDED,
    HALF,
    STRICT,
    SUM_RULE,
    SWAPPED,
    Credits,
    Means,
    mean_credits,
    outcomes,
    pair_credits,
)
from j1sdk.evaluation.metrics import measure
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import Record

NAMES = (STRICT, HALF, DECIDED, CONSISTENT, SUM_RULE)


def credits(records: list[Record]) -> Credits:
    (result,) = results_of(records)
    return pair_credits(result)


BY_HAND = [  # as shown: first order, swapped; then strict, half, decided, consistent, sum rule
    (A_WINS, B_WINS, (1, 1, 1, 1, 1)),
    (B_WINS, A_WINS, (0, 0, 0, 0, 0)),
    (A_WINS, A_WINS, (0.5, 0.5, 0.5, 0, 0)),
    (B_WINS, B_WINS, (0.5, 0.5, 0.5, 0, 0)),
    (A_WINS, TIE, (0.5, 0.75, 1, 0, 1)),
    (A_WINS, None, (0.5, 0.75, 1, 0, 1)),
    (TIE, A_WINS, (0, 0.25, 0, 0, 0)),
    (None, A_WINS, (0, 0.25, 0, 0, 0)),
    (TIE, TIE, (0, 0.5, None, 0, 0)),
    (None, None, (0, 0.5, None, 0, 0)),
]


@pytest.mark.parametrize(("first", "second", "earned"), BY_HAND)
def test_a_pair_earns_what_each_convention_says(
    first: Scores, second: Scores, earned: tuple[float, ...]
) -> None:
    found = credits(both("1", first, second))
    assert tuple(found[name] for name in NAMES) == earned


@pytest.mark.parametrize(("first", "second", "earned"), BY_HAND)
def test_swapping_gold_and_verdicts_changes_nothing(
    first: Scores, second: Scores, earned: tuple[float, ...]
) -> None:
    found = credits(both("1", second, first, preferred=1))
    assert tuple(found[name] for name in NAMES) == earned


def test_one_order_says_nothing_of_consistency() -> None:
    found = credits([record("1", (1, 0), B_WINS)])
    assert (found[STRICT], found[SUM_RULE], found[CONSISTENT]) == (1, 1, None)
    assert (found[AS_GIVEN], found[SWAPPED]) == (None, 1)


@pytest.mark.parametrize(
    ("ratings", "earned"),
    [
        ([2, 1], (1, 1, 1, 1, 1)),
        ([1, 2], (0, 0, 0, 0, 0)),
        ([1, 1], (0, 0.5, None, 0, 0)),
        ([None, 1], (0, 0.5, None, 0, 0)),
    ],
)
def test_a_pointwise_judge_has_one_outcome(
    ratings: list[float | None], earned: tuple[float, ...]
) -> None:
    found = credits(rated("1", ratings))
    assert tuple(found[name] for name in NAMES) == earned
    assert found[AS_GIVEN] is found[SWAPPED] is None


def test_several_judgments_of_one_order_are_voted_on() -> None:
    votes = [record("1", (0, 1), scores) for scores in (A_WINS, B_WINS, A_WINS, None)]
    (result,) = results_of(votes)
    assert [*outcomes(result).values()] == ["right"]


anything: st.SearchStrategy[Scores] = st.sampled_from([A_WINS, B_WINS, TIE, None])
strict: st.SearchStrategy[Scores] = st.sampled_from([A_WINS, B_WINS])
golds = st.sampled_from([0, 1])


def pairs_of(ends: st.SearchStrategy[Scores]) -> st.SearchStrategy[list[Record]]:
    def numbered(drawn: list[tuple[Scores, Scores, int]]) -> list[Record]:
        return [
            one
            for number, (first, second, gold) in enumerate(drawn)
            for one in both(str(number), first, second, preferred=gold)
        ]

    return st.lists(st.tuples(ends, ends, golds), min_size=1, max_size=12).map(numbered)


@given(pairs_of(anything))
def test_credits_and_metrics_say_the_same(records: list[Record]) -> None:
    results = results_of(records)
    mean, measured = mean_credits([pair_credits(one) for one in results]), measure(results)
    assert mean[STRICT] == pytest.approx(measured.accuracy)
    assert mean[CONSISTENT] == pytest.approx(measured.position_consistent_accuracy)
    assert mean[AS_GIVEN] == pytest.approx(measured.accuracy_by_order["0,1"])
    assert mean[SWAPPED] == pytest.approx(measured.accuracy_by_order["1,0"])


@given(pairs_of(anything))
def test_conventions_are_ordered(records: list[Record]) -> None:
    for result in results_of(records):
        found = {name: credit or 0.0 for name, credit in pair_credits(result).items()}
        assert found[CONSISTENT] <= found[STRICT] <= found[HALF]
        assert found[CONSISTENT] <= found[SUM_RULE]
        assert all(0 <= credit <= 1 for credit in found.values())


@given(pairs_of(strict))
def test_where_every_verdict_is_read_conventions_agree(records: list[Record]) -> None:
    results = results_of(records)
    for found in map(pair_credits, results):
        assert found[STRICT] == found[HALF] == found[DECIDED]
        assert found[CONSISTENT] == found[SUM_RULE]
    mean, measured = mean_credits([pair_credits(one) for one in results]), measure(results)
    flips = measured.verdict_flip_rate or 0.0
    assert (mean[AS_GIVEN] or 0) + (mean[SWAPPED] or 0) == pytest.approx(
        2 * (mean[CONSISTENT] or 0) + flips
    )


def test_the_mean_is_over_those_that_have_a_credit() -> None:
    several: list[Credits] = [{"a": 1.0, "b": None}, {"a": 0.0, "b": None, "c": 0.5}]
    assert mean_credits(several) == {"a": 0.5, "b": None, "c": 0.5}
    assert mean_credits([]) == {}


def test_means_add_up_by_task_by_subset_or_by_weight() -> None:
    means = Means({"x": 3.0, "y": 1.0}, {"x": 4.0, "y": 10.0})
    assert means.of("x") == 0.75
    assert means.micro() == pytest.approx(4 / 14)
    assert means.macro() == pytest.approx((0.75 + 0.1) / 2)
    assert means.weighted({"x": 1, "y": 3, "absent": 5}) == pytest.approx((0.75 + 0.3) / 4)
    assert means.micro(["x", "absent"]) == means.macro(["x"]) == 0.75
    assert "x" in means and "absent" not in means


def test_means_of_arrays_are_arrays_of_means() -> None:
    import numpy as np

    totals, counts = np.array([[3.0, 2.0], [1.0, 5.0]]), np.array([[4.0, 4.0], [10.0, 8.0]])
    arrays = Means(dict(zip("xy", totals, strict=True)), dict(zip("xy", counts, strict=True)))
    for column in (0, 1):
        floats = Means(
            {"x": float(totals[0, column]), "y": float(totals[1, column])},
            {"x": float(counts[0, column]), "y": float(counts[1, column])},
        )
        for of_arrays, of_floats in (
            (arrays.micro(), floats.micro()),
            (arrays.macro(), floats.macro()),
            (arrays.weighted({"x": 2, "y": 1}), floats.weighted({"x": 2, "y": 1})),
        ):
            assert math.isclose(of_arrays[column], of_floats)
