from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from j1sdk.rankings import wins
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.types import Judgment, JudgmentStatus, Scores

Pair = tuple[int, int]
Opinion = Callable[[Pair], Scores | None]


def judged(order: Pair, scores: Scores | None) -> Judgment:
    status = JudgmentStatus.ENGINE_ERROR if scores is None else JudgmentStatus.OK
    return Judgment(task_id="t", order=order, scores=scores, status=status)


def rank(count: int, opinion: Opinion) -> tuple[tuple[float | None, ...], list[Pair]]:
    """The ranking, and the pairs it had judged."""
    asked: list[Pair] = []

    async def judge(pairs: Sequence[Pair]) -> list[Judgment]:
        asked.extend(pairs)
        return [judged(pair, opinion(pair)) for pair in pairs]

    return asyncio.run(RoundRobin().rank(count, judge)), asked


def by_quality(pair: Pair) -> Scores:
    """A judge to whom a higher index is better."""
    return (1.0, 0.0) if pair[0] > pair[1] else (0.0, 1.0)


def test_a_verdict_read_as_expected_counts_by_its_probability() -> None:
    sure = judged((0, 1), (0.9, 0.1)).replace(probabilities=({"A": 0.9, "B": 0.1},))
    unsure = judged((1, 0), (0.6, 0.4)).replace(probabilities=({"A": 0.6, "B": 0.4},))
    assert wins([sure, unsure], 0) == [0.9, 0.4] and wins([sure, unsure], 1) == [0.1, 0.6]


def test_scores_that_are_no_probabilities_say_who_won() -> None:
    ten = judged((0, 1), (0.9, 0.1)).replace(probabilities=({"9": 0.9}, {"1": 0.1}))
    assert wins([ten, judged((0, 1), (7.0, 3.0))], 0) == [1.0, 1.0]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_every_ordered_pair_is_judged_once(count: int) -> None:
    _, asked = rank(count, by_quality)
    assert len(asked) == len(set(asked)) == count * (count - 1)
    assert all(first != second for first, second in asked)


def test_scores_are_mean_wins() -> None:
    assert rank(3, by_quality)[0] == (0.0, 0.5, 1.0)


@pytest.mark.parametrize("scores", [(1.0, 0.0), (0.0, 1.0), (5.0, 5.0)])
def test_a_judge_that_looks_at_places_alone_ranks_nothing(scores: Scores) -> None:
    assert rank(4, lambda _: scores)[0] == (0.5, 0.5, 0.5, 0.5)


def test_one_failed_order_leaves_the_pair_out() -> None:
    def opinion(pair: Pair) -> Scores | None:
        return None if pair == (1, 0) else by_quality(pair)

    # 0 lost to 2, and 1 lost to 2; what (0, 1) said alone would carry the bias.
    assert rank(3, opinion)[0] == (0.0, 0.0, 1.0)


def test_a_response_nobody_could_judge_has_no_score() -> None:
    def opinion(pair: Pair) -> Scores | None:
        return None if 0 in pair else by_quality(pair)

    assert rank(3, opinion)[0] == (None, 0.0, 1.0)
    assert rank(2, lambda _: None)[0] == (None, None)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_scores_lie_between_0_and_1_and_average_a_half(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 5))
    verdicts = st.sampled_from([(1.0, 0.0), (0.0, 1.0), (3.0, 3.0)])
    scores, _ = rank(count, lambda _: data.draw(verdicts))
    known = [score for score in scores if score is not None]
    assert len(known) == count
    assert all(0 <= score <= 1 for score in known)
    assert sum(known) == pytest.approx(count / 2)


def test_wins_count_readable_judgments_of_the_response() -> None:
    judgments = [
        judged((0, 1), (1.0, 0.0)),
        judged((1, 0), (4.0, 4.0)),
        judged((2, 0), (9.0, 1.0)),
        judged((0, 2), None),
        judged((1, 2), (1.0, 0.0)),
    ]
    assert wins(judgments, 0) == [1.0, 0.5, 0.0]
    assert wins(judgments, 3) == []
