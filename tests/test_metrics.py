"""Metrics: by hand on small examples, by their laws on drawn ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured import (
    A_WINS,
    B_WINS,
    CONSISTENT,
    FLIP_FIRST,
    FLIP_SECOND,
    RATES,
    TIE,
    WRONG,
    judgment,
    pair,
    points,
    wilson,
)

from j1sdk.errors import DataError
from j1sdk.evaluation.metrics import NO_SUBSET, Metrics, Share, by_subset, measure
from j1sdk.judge import result_of
from j1sdk.types import JudgeResult, JudgmentStatus, JudgmentTask


def test_a_judge_that_is_right_wrong_and_biased_once_each() -> None:
    measured = measure([CONSISTENT, WRONG, FLIP_FIRST])
    assert measured.n == 3
    assert measured.accuracy == pytest.approx(3 / 6)
    assert measured.accuracy_by_order == {"0,1": pytest.approx(2 / 3), "1,0": pytest.approx(1 / 3)}
    assert measured.position_consistent_accuracy == pytest.approx(1 / 3)
    assert measured.verdict_flip_rate == pytest.approx(1 / 3)
    assert measured.tie_rate == measured.invalid_rate == 0.0


@pytest.mark.parametrize(
    ("result", "accuracy", "consistent", "flips"),
    [(CONSISTENT, 1, 1, 0), (WRONG, 0, 0, 0), (FLIP_FIRST, 0.5, 0, 1), (FLIP_SECOND, 0.5, 0, 1)],
)
def test_one_pair(result: JudgeResult, accuracy: float, consistent: float, flips: float) -> None:
    measured = measure([result])
    assert measured.accuracy == accuracy
    assert measured.position_consistent_accuracy == consistent
    assert measured.verdict_flip_rate == flips


def test_gold_may_be_the_second_response() -> None:
    measured = measure([pair(B_WINS, B_WINS, gold=1)])
    assert measured.accuracy_by_order == {"0,1": 1.0, "1,0": 0.0}


def test_a_judge_that_always_says_a_prefers_whatever_comes_first() -> None:
    measured = measure([pair(A_WINS, A_WINS, gold=number % 2) for number in range(10)])
    assert measured.accuracy == 0.5
    assert measured.accuracy_by_order == {"0,1": 0.5, "1,0": 0.5}
    assert measured.position_consistent_accuracy == 0.0
    assert measured.verdict_flip_rate == 1.0


class TestKappa:
    def test_whoever_always_says_a_agrees_no_more_than_chance(self) -> None:
        measured = measure([pair(A_WINS, A_WINS, gold=number % 2) for number in range(10)])
        assert (measured.base_rate, measured.kappa) == (0.5, 0.0)

    def test_in_one_order_the_base_rate_is_the_commoner_place(self) -> None:
        shown = [
            JudgmentTask(prompt=str(n), responses=("a", "b"), preferred=int(n == 0))
            for n in range(4)
        ]
        always = [result_of(task, [judgment((0, 1), A_WINS)]) for task in shown]
        measured = measure(always)
        assert (measured.accuracy, measured.base_rate, measured.kappa) == (0.75, 0.75, 0.0)

    def test_it_is_1_for_whoever_is_always_right(self) -> None:
        assert measure([CONSISTENT, CONSISTENT]).kappa == 1.0

    @given(st.lists(st.sampled_from([A_WINS, B_WINS, TIE, None]), min_size=8, max_size=40))
    def test_it_is_cohens(self, said: list[Any]) -> None:
        """Against the textbook: agreement less that of the margins, over one less that."""
        pairs = list(zip(said[::2], said[1::2], strict=False))
        results = [pair(*two, gold=number % 3 // 2) for number, two in enumerate(pairs)]
        measured = measure(results)
        gold, named = [], []
        for result in results:
            for one in result.judgments:
                gold.append(str(one.order.index(result.task.preferred or 0)))
                verdict = one.verdict()
                named.append("none" if verdict is None else str(one.order.index(verdict)))
        agreed = sum(a == b for a, b in zip(gold, named, strict=True)) / len(gold)
        margins = sum(gold.count(one) * named.count(one) for one in {*gold}) / len(gold) ** 2
        assert measured.kappa == pytest.approx((agreed - margins) / (1 - margins))
        rate = measured.rate("kappa")
        assert rate and rate.low <= rate.value <= rate.high

    def test_a_pointwise_judge_names_no_place(self) -> None:
        measured = measure([points(7.0, 3.0)])
        assert measured.kappa is None and measured.base_rate is None


def test_a_tie_is_not_correct_and_not_a_flip() -> None:
    measured = measure([pair(A_WINS, TIE)])
    assert (measured.accuracy, measured.tie_rate) == (0.5, 0.5)
    assert (measured.position_consistent_accuracy, measured.verdict_flip_rate) == (0.0, 0.0)
    assert measured.statuses["ok"] == 2


def test_a_failed_judgment_is_not_correct_and_not_a_flip_and_not_a_tie() -> None:
    measured = measure([pair(A_WINS, None), pair(None, None)])
    assert measured.accuracy == 0.25
    assert measured.position_consistent_accuracy == 0.0
    assert measured.verdict_flip_rate == measured.tie_rate == 0.0
    assert measured.invalid_rate == 0.75


def test_every_status_is_counted_and_listed() -> None:
    assert measure([CONSISTENT]).statuses == {
        "ok": 2,
        "unparseable": 0,
        "truncated": 0,
        "out_of_range": 0,
        "engine_error": 0,
    }
    failed = [
        result_of(CONSISTENT.task, [judgment((0, 1), None, status)])
        for status in JudgmentStatus
        if status is not JudgmentStatus.OK
    ]
    counted = measure([*failed, failed[0]]).statuses
    assert counted == {
        "ok": 0,
        "unparseable": 2,
        "truncated": 1,
        "out_of_range": 1,
        "engine_error": 1,
    }


def test_without_gold_flips_ties_and_failures_are_still_measured() -> None:
    measured = measure([pair(A_WINS, A_WINS, None), pair(TIE, None, None)])
    assert measured.accuracy is None
    assert measured.position_consistent_accuracy is None
    assert measured.accuracy_by_order == {}
    assert measured.verdict_flip_rate == 0.5
    assert (measured.tie_rate, measured.invalid_rate) == (0.25, 0.25)
    assert set(measured.intervals) == {"verdict_flip_rate", "tie_rate", "invalid_rate"}


def test_tasks_without_gold_do_not_lower_the_accuracy_of_those_with() -> None:
    measured = measure([CONSISTENT, pair(A_WINS, A_WINS, None)])
    assert measured.accuracy == measured.position_consistent_accuracy == 1.0
    assert measured.verdict_flip_rate == 0.5
    assert measured.intervals["accuracy"] == measure([CONSISTENT]).intervals["accuracy"]


def test_one_order_says_nothing_of_consistency() -> None:
    alone = result_of(CONSISTENT.task, [judgment((0, 1), A_WINS)])
    measured = measure([alone])
    assert (measured.accuracy, measured.accuracy_by_order) == (1.0, {"0,1": 1.0})
    assert measured.position_consistent_accuracy is None
    assert measured.verdict_flip_rate is None


def test_repeated_judgments_of_one_order_are_voted_on() -> None:
    votes = [judgment((0, 1), scores) for scores in (A_WINS, B_WINS, A_WINS, None)]
    swapped = [judgment((1, 0), scores) for scores in (A_WINS, B_WINS)]
    measured = measure([result_of(CONSISTENT.task, [*votes, *swapped])])
    assert measured.accuracy_by_order == {"0,1": 1.0, "1,0": 0.0}
    assert measured.tie_rate == 0.5, "the swapped order is split"
    assert measured.invalid_rate == pytest.approx(1 / 6), "failures are counted one by one"


def test_a_vote_with_one_readable_judgment_is_that_judgment() -> None:
    votes = [judgment((0, 1), scores) for scores in (None, A_WINS, None)]
    assert measure([result_of(CONSISTENT.task, votes)]).accuracy == 1.0


def test_pairs_of_more_than_two_responses_each_count() -> None:
    task = JudgmentTask(prompt="q", responses=("x", "y", "z"), preferred=0)
    shown = [judgment(order, A_WINS) for order in ((0, 1), (1, 0), (0, 2), (1, 2), (2, 1))]
    measured = measure([result_of(task, shown)])
    assert measured.accuracy == pytest.approx(2 / 3), "of the three that show the gold response"
    assert measured.accuracy_by_order == {"0,1": 1.0, "0,2": 1.0, "1,0": 0.0}
    assert measured.verdict_flip_rate == 1.0, "of the two pairs shown in both orders"


def test_pointwise_the_preferred_score_must_be_strictly_higher() -> None:
    measured = measure([points(8, 3), points(2, 3), points(5, 5), points(None, 1)])
    assert measured.accuracy == measured.position_consistent_accuracy == 0.25
    assert measured.accuracy_by_order == {}
    assert measured.verdict_flip_rate is None
    assert measured.tie_rate == 0.25
    assert measured.invalid_rate == pytest.approx(1 / 8)


def test_pointwise_gold_is_compared_with_each_other_response() -> None:
    measured = measure([points(5, 9, 5, 1, gold=2)])
    assert measured.accuracy == pytest.approx(1 / 3)
    assert measured.tie_rate == pytest.approx(1 / 3)


def test_pointwise_without_gold_every_pair_may_tie() -> None:
    measured = measure([points(5, 5, 1, gold=None)])
    assert measured.accuracy is None
    assert measured.tie_rate == pytest.approx(1 / 3)


def test_pointwise_a_single_response_has_no_rates_but_the_failures() -> None:
    measured = measure([points(5.0, gold=None)])
    assert set(measured.intervals) == {"invalid_rate"}
    assert measured.tie_rate is None


def test_mean_completion_tokens_are_per_judgment() -> None:
    judged = [judgment((0, 1), A_WINS, tokens=10), judgment((1, 0), None, tokens=25)]
    assert measure([result_of(CONSISTENT.task, judged)]).mean_completion_tokens == 17.5


def test_nothing_to_measure_is_said() -> None:
    with pytest.raises(DataError, match="nothing to measure"):
        measure([])
    with pytest.raises(DataError, match="nothing to measure"):
        measure([result_of(CONSISTENT.task, [])])


def test_pointwise_and_pairwise_do_not_add_up() -> None:
    with pytest.raises(DataError, match="measure them apart"):
        measure([CONSISTENT, points(1, 0)])


def split(result: JudgeResult) -> list[JudgeResult]:
    """A result of three responses as its two pairs with the preferred one."""
    return [
        result_of(
            CONSISTENT.task,
            [one.model_copy(update={"order": tuple(min(index, 1) for index in one.order)})
             for one in result.judgments if other in one.order],
        )
        for other in (1, 2)
    ]  # fmt: skip


def test_views_count_verdicts_by_pair_but_failures_and_trials_by_task() -> None:
    task = JudgmentTask(prompt="q", responses=("x", "y", "z"), preferred=0)
    shown = [judgment((0, 1), A_WINS, tokens=8), judgment((1, 0), B_WINS),
             judgment((0, 2), A_WINS), judgment((2, 0), None)]  # fmt: skip
    result = result_of(task, shown)
    measured = measure([result] * 10, split)
    assert measured.accuracy_by_order == {"0,1": 1.0, "1,0": 0.5}
    assert measured.position_consistent_accuracy == 0.5
    assert (measured.n, measured.invalid_rate, measured.mean_completion_tokens) == (10, 0.25, 2)
    assert measured.statuses["ok"] == 30
    assert measured.intervals["accuracy_by_order.0,1"] == pytest.approx(wilson(10, 10))
    assert by_subset([result], split) == {NO_SUBSET: measure([result], split)}


def test_subsets_are_measured_apart_in_the_order_they_appear() -> None:
    results = [
        pair(A_WINS, B_WINS, subset="maths"),
        pair(A_WINS, A_WINS),
        pair(B_WINS, A_WINS, subset="chat"),
        pair(B_WINS, A_WINS, subset="maths"),
    ]
    measured = by_subset(results)
    assert list(measured) == ["maths", NO_SUBSET, "chat"]
    assert [subset.accuracy for subset in measured.values()] == [0.5, 0.5, 0.0]
    assert measured["maths"] == measure([results[0], results[3]])
    assert by_subset([]) == {}


strict = st.sampled_from([A_WINS, B_WINS])
anything = st.sampled_from([A_WINS, B_WINS, TIE, None])
golds = st.sampled_from([0, 1])
valid_pairs = st.lists(st.builds(pair, strict, strict, golds), min_size=1, max_size=12)
any_pairs = st.lists(st.builds(pair, anything, anything, golds), min_size=1, max_size=12)
point = st.none() | st.integers(0, 3).map(float)
pointwise = st.lists(st.builds(points, point, point, gold=golds), min_size=1, max_size=12)


def known(measured: Metrics, name: str) -> float:
    rate = measured.rate(name)
    assert rate is not None
    return rate.value


@given(valid_pairs)
@settings(max_examples=100, deadline=None)
def test_both_orders_add_up_to_twice_the_consistent_and_the_flips(
    results: list[JudgeResult],
) -> None:
    measured = measure(results)
    orders = sum(measured.accuracy_by_order.values())
    consistent = known(measured, "position_consistent_accuracy")
    assert orders == pytest.approx(2 * consistent + known(measured, "verdict_flip_rate"))


@given(any_pairs)
@settings(max_examples=100, deadline=None)
def test_what_ties_and_failures_leave_out_of_the_identity(results: list[JudgeResult]) -> None:
    measured = measure(results)
    left = 2 * known(measured, "accuracy") - 2 * known(measured, "position_consistent_accuracy")
    missing = 2 * known(measured, "tie_rate") + 2 * known(measured, "invalid_rate")
    flips = known(measured, "verdict_flip_rate")
    assert flips - 1e-9 <= left <= flips + missing + 1e-9


@given(any_pairs | pointwise)
@settings(max_examples=100, deadline=None)
def test_every_rate_is_a_share_within_its_interval(results: list[JudgeResult]) -> None:
    measured = measure(results)
    for name in measured.intervals.keys() - {"kappa"}:
        rate = measured.rate(name)
        assert rate is not None
        assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert sum(measured.statuses.values()) == sum(len(result.judgments) for result in results)


@given(any_pairs)
@settings(max_examples=100, deadline=None)
def test_calling_the_responses_by_the_other_index_changes_no_rate(
    results: list[JudgeResult],
) -> None:
    measured, renamed = measure(results), measure([_renamed(result) for result in results])
    assert renamed.accuracy_by_order["0,1"] == measured.accuracy_by_order["1,0"]
    for name in RATES:
        assert renamed.rate(name) == measured.rate(name)


def _renamed(result: JudgeResult) -> JudgeResult:
    gold = result.task.preferred
    assert gold is not None
    task = JudgmentTask(prompt="q", responses=("y", "x"), preferred=1 - gold)
    renamed = [
        judgment(tuple(1 - index for index in one.order), one.scores) for one in result.judgments
    ]
    return result_of(task, renamed)


@given(pointwise)
@settings(max_examples=100, deadline=None)
def test_pointwise_correct_wrong_tied_and_unscored_pairs_are_all_pairs(
    results: list[JudgeResult],
) -> None:
    measured = measure(results)
    wrong = sum(_preferred_is_lower(result) for result in results) / len(results)
    unscored = sum(None in result.scores for result in results) / len(results)
    shares = known(measured, "accuracy") + known(measured, "tie_rate")
    assert shares + wrong + unscored == pytest.approx(1)


def _preferred_is_lower(result: JudgeResult) -> bool:
    return result.preferred is not None and result.preferred != result.task.preferred


@given(st.integers(0, 40), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_the_interval_agrees_with_the_textbook(successes: int, extra: int) -> None:
    trials = successes + extra
    share = Share()
    for place in range(trials):
        share.add([place < successes])
    rate = share.rate
    assert rate is not None
    low, high = wilson(successes, trials)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=1e-9)


@given(any_pairs, any_pairs)
@settings(max_examples=50, deadline=None)
def test_order_of_results_does_not_matter(some: list[JudgeResult], more: list[JudgeResult]) -> None:
    assert measure([*some, *more]) == measure([*more, *some])
