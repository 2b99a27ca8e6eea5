"""Intervals and comparisons: against a plain loop, against statistics, and on hard cases."""

from __future__ import annotations

import random
from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_benchmarks.judgebench import JudgeBench
from j1sdk_benchmarks.llmbar import ADVERSARIAL, LLMBar
from j1sdk_benchmarks.rewardbench import SECTIONS, RewardBench
from recorded import A_WINS, B_WINS, TIE, both, drawn_pairs
from scipy.stats import binomtest

from j1sdk.errors import DataError
from j1sdk.evaluation.benchmarks import Benchmark, Unit
from j1sdk.evaluation.bootstrap import Score, resample, scores_of
from j1sdk.evaluation.comparison import common, compare, got_right, mcnemar
from j1sdk.evaluation.credits import CONSISTENT, DECIDED, STRICT, SUM_RULE, Means
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import Record

CATEGORIES = [("Knowledge", 60), ("Math", 30), ("Coding", 10)]


def units(records: list[Record], benchmark: Benchmark | None = None) -> list[Unit]:
    return (benchmark or JudgeBench()).units(results_of(records))


def named(scores: list[Score]) -> dict[str, Score]:
    return {score.name: score for score in scores}


def flat(values: list[float], subset: str = "s") -> list[Unit]:
    return [Unit(str(place), subset, {SUM_RULE: one}) for place, one in enumerate(values)]


def test_the_first_of_the_means_is_that_of_the_sample() -> None:
    found = units(drawn_pairs(CATEGORIES, seed=0))
    means = resample(found, 10, seed=0)
    for subset, count in CATEGORIES:
        members = [unit.credits[STRICT] or 0.0 for unit in found if unit.subset == subset]
        assert means[STRICT].of(subset)[0] == pytest.approx(fmean(members))
        assert means[STRICT].counts[subset] == count, "strata keep their size"


@pytest.mark.parametrize("count", [2, 3, 10, 200])
def test_replicates_are_spread_as_means_of_so_many_units_are(count: int) -> None:
    values = [float(place % 2) for place in range(count)]
    replicates = resample(flat(values), 20_000, seed=0)[SUM_RULE].of("s")[1:]
    assert replicates.var() == pytest.approx(variance(values) / count, rel=0.05)


def test_units_that_are_alone_in_their_subsets_are_spread_as_all_are() -> None:
    alone = [Unit("1", f"s{place}", {SUM_RULE: float(place % 3 == 0)}) for place in range(60)]
    replicates = resample(alone, 5000, seed=0)[SUM_RULE].micro()[1:]
    values = [unit.credits[SUM_RULE] or 0.0 for unit in alone]
    assert replicates.var() == pytest.approx(variance(values) / 60, rel=0.1)


def test_replicates_are_what_the_scores_of_each_alone_are() -> None:
    """The arrays against the scores of each replicate's means, one by one."""
    sizes = [(subset, 4) for weights in SECTIONS.values() for subset in weights]
    found = units(drawn_pairs(sizes, 1, (A_WINS, B_WINS, TIE, None)), RewardBench())
    means = resample(found, 5, seed=3)
    arrays = RewardBench().aggregate(means)
    for place in range(6):
        alone = RewardBench().aggregate(
            {
                name: Means({one: total[place] for one, total in mean.totals.items()}, mean.counts)
                for name, mean in means.items()
            }
        )
        for name, values in arrays.items():
            assert 0 <= values[place] == pytest.approx(alone[name]), name


def test_an_interval_covers_what_it_should() -> None:
    """Of a share in 200 trials it is Wilson's."""
    (score,) = scores_of(JudgeBench(), flat([1.0] * 60 + [0.0] * 140, "Math"), 4000)[:1]
    expected = binomtest(60, 200).proportion_ci(method="wilson")
    assert score.value == pytest.approx(0.3)
    assert (score.low, score.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_intervals_hold_their_level_over_many_samples() -> None:
    draw, held = random.Random(0), 0
    for _ in range(200):
        sample = [float(draw.random() < 0.7) for _ in range(80)]
        score = scores_of(JudgeBench(), flat(sample, "Math"), 300)[0]
        held += score.low <= 0.7 <= score.high
    assert 0.88 <= held / 200 <= 0.99


def test_strata_keep_a_difference_between_subsets_out_of_the_interval() -> None:
    draw = random.Random(0)
    values = {"Math": [float(draw.random() < 0.95) for _ in range(200)],
              "Coding": [float(draw.random() < 0.05) for _ in range(200)]}  # fmt: skip
    strata = [one for subset, credits in values.items() for one in flat(credits, subset)]
    together = flat([one for credits in values.values() for one in credits], "Math")
    apart, mixed = (scores_of(JudgeBench(), found)[0] for found in (strata, together))
    assert apart.value == mixed.value and apart.high - apart.low < 0.6 * (mixed.high - mixed.low)


@pytest.mark.parametrize("subsets", [1, 4, 60])
@pytest.mark.parametrize("credit", [0.0, 1.0])
def test_no_interval_is_of_no_width(subsets: int, credit: float) -> None:
    """Sixty tasks that all are right do not say that every task would be."""
    sure = [Unit(str(n), f"s{n % subsets}", {SUM_RULE: credit}) for n in range(60)]
    score = scores_of(JudgeBench(), sure)[0]
    wilson = binomtest(int(60 * credit), 60).proportion_ci(method="wilson")
    assert (score.low, score.high) == pytest.approx((wilson.low, wilson.high))


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    found = units(drawn_pairs(CATEGORIES, seed=0))
    first, again, other = (scores_of(JudgeBench(), found, 200, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [one.value for one in first] == [one.value for one in other]


def test_a_credit_that_few_have_is_drawn_from_those() -> None:
    few = both("1", A_WINS, B_WINS, "Math") + both("2", TIE, TIE, "Math")
    score = named(scores_of(JudgeBench(), units(few)))[DECIDED]
    assert (score.value, score.high, score.n) == (1, 1, 1) and 0.2 < score.low < 0.21


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
    assert {one.value for one in same.differences} == {0}
    assert all(-0.04 < one.low < 0 < one.high < 0.04 for one in same.differences if one.n == 100)
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


def test_mcnemars_test_is_of_the_official_score() -> None:
    """By the sum rule right and tied is right; in both orders it is not."""
    records = [one for n in range(8) for one in both(str(n), A_WINS, B_WINS, "Math")]
    tied = [one for n in range(8) for one in both(str(n), A_WINS, TIE, "Math")]
    same = compare(JudgeBench(), units(records), units(tied))
    assert (same.only_first, same.only_second, same.p_value) == (0, 0, 1)
    natural = [
        [one._replace(subset="Natural") for one in units(found, LLMBar())]
        for found in (records, tied)
    ]
    other = compare(LLMBar(), natural[0], natural[1])
    assert other.p_value is other.only_first is None, "no adversarial pairs, no official score"
    every = [[Unit(f"{s}{one.id}", s, one.credits) for s in ADVERSARIAL
              for one in units(found, LLMBar())] for found in (records, tied)]  # fmt: skip
    whole = compare(LLMBar(), every[0], every[1])
    assert (whole.only_first, whole.only_second) == (32, 0) and (whole.p_value or 1) < 1e-8


def test_right_is_right_in_all_that_was_shown() -> None:
    assert got_right({STRICT: 1.0, CONSISTENT: None})
    assert not got_right({STRICT: 0.5, CONSISTENT: None})
    assert got_right({STRICT: 1.0, CONSISTENT: 1.0})
    assert not got_right({STRICT: 0.5, CONSISTENT: 0.5})
    assert not got_right({})
