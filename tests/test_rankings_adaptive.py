"""Rankings that ask for fewer pairs than round robin, and the fit that makes up for it."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations, permutations
from math import exp
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from j1sdk import Adaptive, Judgment, Knockout, Pivot, Ranking, RoundRobin, Scores
from j1sdk.catalogue import catalogue
from j1sdk.errors import ConfigError
from j1sdk.rankings import matches
from j1sdk.rankings.bradley_terry import fitted, prior
from j1sdk.testing import RankingContract
from j1sdk.testing.rankings import Compare

Pair = tuple[int, int]
Rule = Callable[[int, int], Scores | None]
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "ranking.py"
EVERY: list[Ranking] = [
    RoundRobin(),
    Pivot(),
    Pivot(pivot="last"),
    Knockout(),
    Adaptive(),
    Adaptive(budget=0.01),
    Adaptive(budget=1, focus=0),
    Adaptive(rounds=2),
    Adaptive(rounds=3, budget=0.7),
]
every = pytest.mark.parametrize("ranking", EVERY, ids=repr)
verdicts = st.sampled_from([(1.0, 0.0), (0.0, 1.0), (3.0, 3.0), None])


class TestPivot(RankingContract):
    component = Pivot()
    single = False


class TestLastPivot(RankingContract):
    component = Pivot(pivot="last")
    single = False


class TestKnockout(RankingContract):
    component = Knockout()
    total = False


class TestAdaptive(RankingContract):
    component = Adaptive()
    total = False


class TestThriftyAdaptive(RankingContract):
    component = Adaptive(budget=0.01, focus=2)
    total = False


class TestThoroughAdaptive(RankingContract):
    component = Adaptive(budget=1, focus=0)


def rank(ranking: Ranking, count: int, rule: Rule) -> tuple[tuple[float | None, ...], list[Pair]]:
    """The scores, and the pairs that were judged."""
    judge = Compare(rule)
    return asyncio.run(_rank(ranking, count, judge)), judge.asked


async def _rank(ranking: Ranking, count: int, judge: Compare) -> tuple[float | None, ...]:
    return await ranking.rank(count, judge)


def rounds(ranking: Ranking, count: int, rule: Rule) -> list[list[Pair]]:
    """The pairs that were judged, by round."""
    judge = Compare(rule)
    asked: list[list[Pair]] = []

    async def one_round(pairs: Sequence[Pair]) -> list[Judgment]:
        asked.append(list(pairs))
        return await judge(pairs)

    asyncio.run(_rank_by(ranking, count, one_round))
    return asked


async def _rank_by(
    ranking: Ranking, count: int, judge: Callable[[Sequence[Pair]], object]
) -> tuple[float | None, ...]:
    return await ranking.rank(count, judge)  # type: ignore[arg-type]


def higher(one: int, other: int) -> Scores:
    """A judge to whom a higher index is better."""
    return (float(one), float(other))


def memo(data: st.DataObject) -> Rule:
    """A judge that says anything, and the same again."""
    said: dict[Pair, Scores | None] = {}

    def rule(one: int, other: int) -> Scores | None:
        if (one, other) not in said:
            said[one, other] = data.draw(verdicts)
        return said[one, other]

    return rule


@pytest.mark.parametrize("name", ["round-robin", "pivot", "knockout", "adaptive"])
def test_each_is_found_by_its_name(name: str) -> None:
    assert catalogue().find("rankings", name).name == name


@every
@given(data=st.data(), count=st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_each_asks_both_orders_once_and_scores_what_was_read(
    ranking: Ranking, data: st.DataObject, count: int
) -> None:
    rule = memo(data)
    scores, asked = rank(ranking, count, rule)
    assert len(asked) == len(set(asked)) <= count * (count - 1)
    assert {(second, first) for first, second in asked} == set(asked)
    read = {one for one, other in asked if rule(one, other) and rule(other, one)}
    assert [place for place, score in enumerate(scores) if score is not None] == sorted(read)
    assert all(score is None or 0 <= score <= 1 for score in scores)


@every
@pytest.mark.parametrize("count", [2, 3, 4, 7, 16])
@pytest.mark.parametrize("said", [(1.0, 0.0), (0.0, 1.0), (5.0, 5.0)])
def test_position_bias_alone_comes_out_as_exactly_a_half(
    ranking: Ranking, count: int, said: Scores
) -> None:
    assert rank(ranking, count, lambda one, other: said)[0] == (0.5,) * count


@every
def test_one_response_is_compared_with_nothing(ranking: Ranking) -> None:
    assert rank(ranking, 1, higher) == ((None,), [])


@every
def test_the_same_is_ranked_the_same_again(ranking: Ranking) -> None:
    def rule(one: int, other: int) -> Scores:
        return higher(one * 7 % 11, other * 7 % 11)

    assert rank(ranking, 11, rule) == rank(ranking, 11, rule)


@every
@given(st.permutations(range(6)))
@settings(max_examples=30, deadline=None)
def test_a_perfect_judge_has_its_best_on_top(ranking: Ranking, quality: list[int]) -> None:
    scores, _ = rank(ranking, 6, lambda one, other: higher(quality[one], quality[other]))
    known = [score for score in scores if score is not None]
    assert known[quality.index(5)] == max(known)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8, 16, 31])
def test_pivot_and_knockout_cost_two_judgments_per_response_but_one(count: int) -> None:
    for ranking in (Pivot(), Knockout(), Adaptive(budget=0.001)):
        assert len(rank(ranking, count, higher)[1]) == 2 * (count - 1)


@given(count=st.integers(2, 16), budget=st.floats(0.001, 1))
@settings(max_examples=40, deadline=None)
def test_the_budget_is_spent_and_never_exceeded(count: int, budget: float) -> None:
    spent = len(rank(Adaptive(budget=budget), count, higher)[1])
    allowed = max(2 * (count - 1), budget * count * (count - 1))
    assert allowed - 2 < spent <= allowed + 1e-6


def test_the_default_spends_two_fifths() -> None:
    assert len(rank(Adaptive(), 16, higher)[1]) == 96


@pytest.mark.parametrize("options", [{"budget": 0}, {"budget": 1.1}, {"focus": -1}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Adaptive(**options)


def test_a_match_needs_both_orders() -> None:
    said: dict[Pair, Scores | None] = {
        (0, 1): (1.0, 0.0), (1, 0): (0.0, 1.0),
        (2, 3): (1.0, 0.0), (3, 2): (1.0, 0.0),
        (4, 5): (1.0, 0.0), (5, 4): None,
    }  # fmt: skip
    judge = Compare(lambda one, other: said[one, other])
    assert asyncio.run(matches([(0, 1), (2, 3), (4, 5)], judge)) == [1.0, 0.5, None]


def test_pivot_splits_the_responses() -> None:
    assert rank(Pivot(), 3, higher)[0] == (0.0, 1.0, 1.0)
    assert rank(Pivot(pivot="last"), 3, higher)[0] == (0.0, 0.0, 1.0)
    scores, _ = rank(Pivot(), 4, lambda one, other: higher(one ^ 1, other ^ 1))
    assert scores[0] == pytest.approx(1 / 3) and scores[1:] == (0.0, 1.0, 1.0)


def test_a_pivot_that_cannot_be_read_leaves_nothing() -> None:
    fails = rank(Pivot(), 4, lambda one, other: higher(one, other) if one and other else None)
    assert fails[0] == (None,) * 4


def test_pivot_is_blind_to_the_order_of_the_others() -> None:
    def rule(one: int, other: int) -> Scores:
        return higher(one % 3, other % 3)

    plain, _ = rank(Pivot(), 4, rule)
    for names in permutations([1, 2, 3]):
        order = (0, *names)
        moved, _ = rank(Pivot(), 4, partial(renamed, rule, order))
        assert moved == tuple(plain[name] for name in order)


def renamed(rule: Rule, order: Sequence[int], one: int, other: int) -> Scores | None:
    return rule(order[one], order[other])


def test_knockout_scores_by_the_matches_won() -> None:
    assert rank(Knockout(), 4, higher)[0] == (0.0, 0.5, 0.0, 1.0)
    assert rank(Knockout(), 8, higher)[0] == (0, 0.5, 0, 2 / 3, 0, 0.5, 0, 1)


def test_nobody_has_two_byes() -> None:
    first, second, third = rounds(Knockout(), 5, higher)
    assert (first[:2], second[0], third[0]) == ([(0, 1), (2, 3)], (4, 1), (3, 4))


def test_after_a_draw_the_one_that_has_won_more_goes_on() -> None:
    def rule(one: int, other: int) -> Scores:
        """0 and 1 are level, so are 0 and 3; otherwise the higher index is better."""
        return (1.0, 1.0) if {one, other} in ({0, 1}, {0, 3}) else higher(one, other)

    scores, asked = rank(Knockout(), 4, rule)
    assert (0, 3) in asked
    assert scores == (0.5, 0.5, 0.0, 0.75)


def test_a_match_that_failed_is_nobodys_loss() -> None:
    def rule(one: int, other: int) -> Scores | None:
        return None if {one, other} == {6, 7} else higher(one, other)

    scores, asked = rank(Knockout(), 8, rule)
    assert scores[7] is None and scores[6] == 1.0
    assert (6, 5) in asked or (5, 6) in asked


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_failed_pair_leaves_the_fit_of_all_others(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 6))
    said = {pair: data.draw(verdicts) for pair in permutations(range(count), 2)}
    scores, _ = rank(Adaptive(budget=1), count, lambda one, other: said[one, other])
    read: dict[Pair, float] = {}
    for one, other in combinations(range(count), 2):
        there, back = said[one, other], said[other, one]
        if there and back:
            read[one, other] = fmean([share(there), 1 - share(back)])
    known = {response for pair in read for response in pair}
    expected = fitted(read, prior(count)).scores(known)
    assert [score is None for score in scores] == [score is None for score in expected]
    for score, right in zip(scores, expected, strict=True):
        assert score == (None if right is None else pytest.approx(right, abs=1e-6))


def share(scores: Scores) -> float:
    """What the first won."""
    return (1 + (scores[0] > scores[1]) - (scores[0] < scores[1])) / 2


def test_a_response_that_cannot_be_read_does_not_use_up_the_budget() -> None:
    _, asked = rank(
        Adaptive(), 16, lambda one, other: higher(one, other) if one and other else None
    )
    assert len([pair for pair in asked if 0 in pair]) < 20


def test_all_play_before_any_plays_twice_but_for_one_left_over() -> None:
    for count in (6, 7, 16):
        first, second, *_ = rounds(Adaptive(), count, higher)
        assert len({one for pair in first for one in pair}) == len(first) == count // 2 * 2
        assert count % 2 == 0 or count - 1 in {one for pair in second for one in pair}


def test_rounds_are_of_pairs_that_can_be_judged_at_once() -> None:
    for pairs in rounds(Adaptive(), 16, higher):
        played = [one for pair in pairs[: len(pairs) // 2] for one in pair]
        assert len(played) == len(set(played))
    assert len(rounds(Adaptive(), 16, higher)) < 24


@given(count=st.integers(3, 16), budget=st.floats(0.2, 1), most=st.integers(1, 4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_rounds_are_as_few_as_is_asked(
    count: int, budget: float, most: int, data: st.DataObject
) -> None:
    by_round = rounds(Adaptive(budget=budget, rounds=most), count, memo(data))
    assert len(by_round) <= most
    asked = [pair for pairs in by_round for pair in pairs]
    assert len(asked) == len(set(asked)) == len(rank(Adaptive(budget=budget), count, higher)[1])
    first = [one for pair in by_round[0] for one in pair]
    shares = [first.count(one) for one in range(count)]
    assert max(shares) - min(shares) <= 4  # two pairs, in both orders


@given(order=st.permutations(range(5)), data=st.data())
@settings(max_examples=30, deadline=None)
def test_with_all_pairs_played_the_names_do_not_matter(
    order: list[int], data: st.DataObject
) -> None:
    rule = memo(data)
    plain, _ = rank(Adaptive(budget=1), 5, rule)
    moved, _ = rank(Adaptive(budget=1), 5, partial(renamed, rule, order))
    for place, name in enumerate(order):
        right = plain[name]
        assert moved[place] == (None if right is None else pytest.approx(right, abs=1e-6))


def tau(scores: Sequence[float | None], qualities: Sequence[float]) -> float:
    pairs = list(combinations(range(len(scores)), 2))
    known = [0.0 if score is None else score for score in scores]
    right = [(known[a] - known[b]) * (qualities[a] - qualities[b]) for a, b in pairs]
    return fmean((value > 0) - (value < 0) for value in right)


def test_chosen_pairs_beat_as_many_drawn_at_random() -> None:
    gains, kept = [], []
    for seed in range(40):
        draw = random.Random(seed)
        qualities = [draw.gauss(0, 1) for _ in range(16)]
        luck = {pair: draw.random() for pair in permutations(range(16), 2)}

        def rule(
            one: int, other: int, q: list[float] = qualities, u: Mapping[Pair, float] = luck
        ) -> Scores:
            first = u[one, other] < 1 / (1 + exp(-3 * (q[one] - q[other]) - 0.5))
            return (1.0, 0.0) if first else (0.0, 1.0)

        pairs = draw.sample(list(combinations(range(16), 2)), 48)
        won = asyncio.run(matches(pairs, Compare(rule)))
        read = {pair: value for pair, value in zip(pairs, won, strict=True) if value is not None}
        drawn = tau(fitted(read, prior(16)).scores(range(16)), qualities)
        chosen = tau(rank(Adaptive(), 16, rule)[0], qualities)
        gains.append(chosen - drawn)
        kept.append(chosen / tau(rank(RoundRobin(), 16, rule)[0], qualities))
    assert fmean(gains) > 0.03
    assert fmean(kept) > 0.93


def test_the_benchmark_runs_and_the_control_is_below(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARK), "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    rows = json.loads((tmp_path / "ranking.json").read_text(encoding="utf-8"))["rows"]
    by_ranking: dict[str, list[float]] = {}
    for row in rows:
        by_ranking.setdefault(row["ranking"], []).append(row["tau"])
        assert row["judgments"] <= row["n"] * (row["n"] - 1)
    taus = {name: fmean(values) for name, values in by_ranking.items()}
    assert taus["random"] + 0.02 < taus["adaptive"] < taus["round-robin"]
    assert len(by_ranking["random"]) == len(by_ranking["adaptive"])
    assert "adaptive above random" in (tmp_path / "ranking.md").read_text(encoding="utf-8")
