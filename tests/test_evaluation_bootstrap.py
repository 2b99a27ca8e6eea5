"""Intervals and comparisons: against a plain loop, against statistics, and on hard cases."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_benchmarks.judgebench import JudgeBench
from j1sdk_benchmarks.rewardbench import SECTIONS, RewardBench
from recorded import A_WINS, B_WINS, TIE, both, drawn_pairs

from j1sdk.errors import DataError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.bootstrap import Score, drawn, resample, scores_of
from j1sdk.evaluation.comparison import common, compare, got_right, mcnemar
from j1sdk.evaluation.credits import CONSISTENT, DECIDED, STRICT, SUM_RULE
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import Record

CATEGORIES = [("Knowledge", 60), ("Math", 30), ("Coding", 10)]


def units(records: list[Record], benchmark: Benchmark | None = None) -> list[Unit]:
    return (benchmark or JudgeBench()).units(results_of(records))


def named(scores: list[Score]) -> dict[str, Score]:
    return {score.name: score for score in scores}


def flat(values: list[float], subset: str = "s") -> list[Unit]:
    return [Unit(str(place), subset, {SUM_RULE: one}) for place, one in enumerate(values)]


def test_every_replicate_draws_as_many_as_there_are() -> None:
    import numpy as np

    times = drawn(np.random.default_rng(0), 7, 500)
    assert times.shape == (500, 7) and set(times.sum(axis=1)) == {7}
    assert times.mean() == 1 and times.max() > 2


def test_the_first_of_the_means_is_that_of_the_sample() -> None:
    found = units(drawn_pairs(CATEGORIES, seed=0))
    means = resample(found, 10, seed=0)
    for subset, count in CATEGORIES:
        members = [unit.credits[STRICT] or 0.0 for unit in found if unit.subset == subset]
        assert means[STRICT].of(subset)[0] == pytest.approx(fmean(members))
        assert set(means[STRICT].counts[subset]) == {count}, "strata keep their size"


def test_replicates_are_what_a_plain_loop_makes_of_the_same_draws() -> None:
    """The arrays against the scores of each resampled list of units, one by one."""
    import numpy as np

    sizes = [(subset, 4) for weights in SECTIONS.values() for subset in weights]
    found = units(drawn_pairs(sizes, 1, (A_WINS, B_WINS, TIE, None)), RewardBench())
    arrays = RewardBench().aggregate(resample(found, 5, seed=3))
    random_state = np.random.default_rng(3)
    times = [drawn(random_state, 4, 5) for _ in sizes]
    for replicate in range(5):
        again = [
            unit
            for place, weights in enumerate(times)
            for member, count in enumerate(weights[replicate])
            for unit in [found[4 * place + member]] * int(count)
        ]
        alone = RewardBench().aggregate(resample(again, 0, seed=0))
        for name, values in arrays.items():
            value = values[1 + replicate]
            unknown = math.isnan(value)  # a subset of which no drawn pair was decided
            assert unknown or value == pytest.approx(alone[name][0]), name
            assert not unknown or "excluded" in name


def test_an_interval_covers_what_it_should() -> None:
    """Of a share in 200 trials, the percentile bootstrap agrees with the normal approximation."""
    (score,) = scores_of(JudgeBench(), flat([1.0] * 60 + [0.0] * 140, "Math"), 4000)[:1]
    reach = 1.96 * math.sqrt(0.3 * 0.7 / 200)
    assert score.value == pytest.approx(0.3)
    assert (score.low, score.high) == pytest.approx((0.3 - reach, 0.3 + reach), abs=0.012)


def test_intervals_hold_their_level_over_many_samples() -> None:
    draw, held = random.Random(0), 0
    for _ in range(200):
        sample = [float(draw.random() < 0.7) for _ in range(80)]
        score = scores_of(JudgeBench(), flat(sample, "Math"), 300)[0]
        held += score.low <= 0.7 <= score.high
    assert 0.88 <= held / 200 <= 0.99


def test_strata_keep_a_difference_between_subsets_out_of_the_interval() -> None:
    sorted_by_subset = flat([1.0] * 50, "Math") + flat([0.0] * 50, "Coding")
    score = named(scores_of(JudgeBench(), sorted_by_subset))[SUM_RULE]
    assert (score.low, score.value, score.high) == (0.5, 0.5, 0.5)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    found = units(drawn_pairs(CATEGORIES, seed=0))
    first, again, other = (scores_of(JudgeBench(), found, 200, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [one.value for one in first] == [one.value for one in other]


def test_a_replicate_without_a_decided_pair_is_left_out() -> None:
    few = both("1", A_WINS, B_WINS, "Math") + both("2", TIE, TIE, "Math")
    score = named(scores_of(JudgeBench(), units(few)))[DECIDED]
    assert (score.low, score.value, score.high, score.n) == (1, 1, 1, 1)


def test_a_credit_nobody_has_is_no_score() -> None:
    assert DECIDED not in named(scores_of(JudgeBench(), units(both("1", TIE, TIE, "Math"))))


scored = st.lists(st.sampled_from([A_WINS, B_WINS, TIE, None]), min_size=2, max_size=30)


@given(scored)
def test_every_interval_is_between_nothing_and_all(ends: list[tuple[float, ...] | None]) -> None:
    records = [one for n, end in enumerate(ends) for one in both(str(n), end, ends[-n], "Math")]
    for score in scores_of(JudgeBench(), units(records), replicates=50):
        assert 0 <= score.low <= score.high <= 1 and 0 <= score.value <= 1
        assert score.rate.low <= score.value <= score.rate.high


# Comparisons


def test_a_run_compared_with_itself_does_not_differ() -> None:
    found = units(drawn_pairs(CATEGORIES, seed=0))
    same = compare(JudgeBench(), found, found)
    assert {(one.value, one.low, one.high) for one in same.differences} == {(0, 0, 0)}
    assert (same.n, same.only_first, same.only_second, same.p_value) == (100, 0, 0, 1)


def test_a_difference_is_second_less_first_on_the_tasks_of_both() -> None:
    first = units([*both("1", A_WINS, B_WINS, "Math"), *both("2", B_WINS, A_WINS, "Math")])
    second = units([*both("2", A_WINS, B_WINS, "Math"), *both("3", B_WINS, A_WINS, "Math")])
    compared = compare(JudgeBench(), first, second)
    difference = compared.difference(SUM_RULE)
    assert difference is not None and (compared.n, difference.value, difference.n) == (1, 1, 1)
    assert (compared.only_first, compared.only_second) == (0, 1)
    assert compared.difference("unheard of") is None


def test_pairing_narrows_the_interval() -> None:
    """Two runs that agree on nearly every task: what is hard for one is for the other."""
    hard = random.Random(0)
    first = [float(hard.random() < 0.5) for _ in range(400)]
    second = [1.0 if place % 40 == 0 else one for place, one in enumerate(first)]
    compared = compare(JudgeBench(), flat(first, "Math"), flat(second, "Math"))
    paired = compared.difference(SUM_RULE)
    alone = scores_of(JudgeBench(), flat(first, "Math"))[0]
    assert paired is not None and paired.value > 0
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_the_order_of_tasks_does_not_matter() -> None:
    first, second = (units(drawn_pairs(CATEGORIES, seed)) for seed in (1, 2))
    assert compare(JudgeBench(), first, second) == compare(JudgeBench(), first, second[::-1])


def test_one_id_in_two_subsets_is_two_tasks() -> None:
    first = units(both("1", A_WINS, B_WINS, "Math"))
    with pytest.raises(DataError, match="no task in common"):
        common(first, units(both("1", A_WINS, B_WINS, "Coding")))


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 2 / 32), (1, 5, 2 * 7 / 64), (0, 10, 2 / 1024)],
)
def test_mcnemars_test_is_exact(only_first: int, only_second: int, p_value: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(p_value)


def test_right_is_right_in_all_that_was_shown() -> None:
    assert got_right({STRICT: 1.0, CONSISTENT: None})
    assert not got_right({STRICT: 0.5, CONSISTENT: None})
    assert got_right({STRICT: 1.0, CONSISTENT: 1.0})
    assert not got_right({STRICT: 0.5, CONSISTENT: 0.5})
    assert not got_right({})
