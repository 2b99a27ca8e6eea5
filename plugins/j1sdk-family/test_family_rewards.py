"""The rewards and the ranking: their contracts, and the published values."""

from __future__ import annotations

import tomllib
from importlib import import_module
from itertools import permutations
from pathlib import Path
from random import Random

import pytest
from j1sdk_family.hinted import Hinted
from j1sdk_family.judge_lrm import LengthBonus, RatingCloseness
from j1sdk_family.reward_anything import RewardAnything
from j1sdk_family.rm_r1 import RmR1
from j1sdk_family.rrm import Elo, Rrm, expected
from j1sdk_family.think_j import PreferenceStrength, ThinkJ

from j1sdk import ConfigError, JudgmentFormat, JudgmentTask, PairwiseScores, Scores, Usage
from j1sdk.background import run
from j1sdk.catalogue import Catalogue
from j1sdk.rankings import Ranking
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.run import build_run
from j1sdk.testing import Compare, RankingContract, RewardContract, judged
from j1sdk.types import Judgment, Presentation

HERE = Path(__file__).parent
RATED = JudgmentTask.from_pair("Sum?", "4", "5", ratings=(8.0, 5.0))


class TestPreferenceStrength(RewardContract):
    component = PreferenceStrength()


class TestPreferenceStrengthThatPunishes(RewardContract):
    component = PreferenceStrength(wrong=-1.0, unparseable=-1.0)
    failed = -1.0


class TestRatingCloseness(RewardContract):
    component = RatingCloseness()


class TestLengthBonus(RewardContract):
    component = LengthBonus()


class TestElo(RankingContract):
    component = Elo()


class TestEloOfOnePeriod(RankingContract):
    component = Elo(periods=1, k=400.0)


def scored(scores: Scores | None, order: tuple[int, ...] = (0, 1), tokens: int = 0) -> Judgment:
    shown = Presentation(task=RATED, order=order)
    judgment = judged(PairwiseScores(), shown, scores)
    return judgment.model_copy(update={"usage": Usage(calls=1, completion_tokens=tokens)})


@pytest.mark.parametrize(
    ("scores", "order", "reward"),
    [
        ((8.0, 5.0), (0, 1), 1.2),
        ((5.0, 8.0), (1, 0), 1.2),
        ((9.0, 5.0), (0, 1), 0.8),
        ((7.0, 5.0), (0, 1), 0.6),
        ((10.0, 5.0), (0, 1), 0.8),
        ((10.0, 4.0), (0, 1), 0.2),
        ((5.0, 4.0), (0, 1), 0.0),
        ((5.0, 8.0), (0, 1), 0.0),
        ((6.0, 6.0), (0, 1), 0.0),
        (None, (0, 1), 0.0),
    ],
)
def test_near_and_decided_scores_of_a_right_verdict_are_paid(
    scores: Scores | None, order: tuple[int, ...], reward: float
) -> None:
    grade = RatingCloseness().grade(RATED, [scored(scores, order)], PairwiseScores())
    assert grade == pytest.approx([reward])


@pytest.mark.parametrize(
    ("scores", "reward"),
    [
        ((3.0, 0.0), 1.0), ((2.0, 0.0), 1 - 1 / 8), ((1.0, 0.0), 1 - 2 / 8), ((0.0, 3.0), 0.0),
        (None, 0.0),
    ],
)  # fmt: skip
def test_a_right_verdict_is_paid_less_the_further_off_its_strength(
    scores: Scores | None, reward: float
) -> None:
    task = RATED.model_copy(update={"ratings": (3.0, 0.0)})
    shown = Presentation(task=task, order=(0, 1))
    judgment = judged(ThinkJ(), shown, scores)
    assert PreferenceStrength().grade(task, [judgment], ThinkJ()) == [reward]


def test_refusing_to_answer_is_not_worth_a_guess() -> None:
    right, wrong, silent = (scored(one) for one in ((9.0, 1.0), (1.0, 9.0), None))
    reward = PreferenceStrength()
    paid = reward.grade(RATED, [right, wrong, silent], PairwiseScores())
    assert paid[2] < (paid[0] + paid[1]) / 2


@pytest.mark.parametrize(
    ("tokens", "scores", "reward"),
    [(120, (9.0, 1.0), 0.0), (121, (9.0, 1.0), 1.0), (121, (1.0, 9.0), 1.0), (999, None, 0.0)],
)
def test_length_is_paid_beyond_its_limit(tokens: int, scores: Scores | None, reward: float) -> None:
    judgment = scored(scores, tokens=tokens)
    assert LengthBonus().grade(RATED, [judgment], PairwiseScores()) == [reward]


@pytest.mark.parametrize("reward", [RatingCloseness(), PreferenceStrength()], ids=repr)
def test_a_task_without_ratings_is_refused(reward: RatingCloseness | PreferenceStrength) -> None:
    task = RATED.model_copy(update={"ratings": None})
    with pytest.raises(ConfigError, match="has no ratings to grade against"):
        reward.grade(task, [scored((9.0, 1.0))], PairwiseScores())


def test_judge_lrms_reward_is_the_sum_of_its_terms() -> None:
    described = {
        "judge": {"format": "pairwise-scores", "engine": "scripted"},
        "train": {"name": "grpo", "rewards": [
            {"name": "verdict-correctness", "right": 2.0, "wrong": -1.5, "unparseable": -2.0},
            "rating-closeness", {"name": "length-bonus", "weight": 0.2},
        ]},
    }  # fmt: skip
    rewards = build_run(described).train.rewards  # type: ignore[union-attr]
    judgments = [scored((8.0, 5.0), tokens=500), scored((5.0, 8.0)), scored(None)]
    summed = [
        sum(reward.weight * reward.grade(RATED, [one], PairwiseScores())[0] for reward in rewards)
        for one in judgments
    ]
    assert summed == pytest.approx([2.0 + 1.0 + 0.2 + 0.2, -1.5, -2.0])


def ranked(ranking: Ranking, rule: Compare, count: int = 5) -> tuple[float | None, ...]:
    async def rank() -> tuple[float | None, ...]:
        return await ranking.rank(count, rule)

    return run(rank())


def noisy(seed: int) -> Compare:
    """Whether one beats another is drawn for each ordered pair; some cannot be read."""
    drawn = {pair: Random(f"{seed} {pair}").random() for pair in permutations(range(5), 2)}
    return Compare(lambda a, b: (drawn[a, b], 0.5))


@pytest.mark.parametrize("seed", range(20))
def test_with_every_pair_read_elo_ranks_as_the_mean_win_does(seed: int) -> None:
    wins, rated = ranked(RoundRobin(), noisy(seed)), ranked(Elo(), noisy(seed))
    assert None not in (*wins, *rated)
    order = sorted(range(5), key=lambda place: (round(wins[place] or 0, 9), place))
    values = [round(rated[place] or 0, 9) for place in order]
    assert values == sorted(values)
    assert rated != wins


def test_more_periods_tell_more_apart() -> None:
    def spread(periods: int) -> float:
        scores = ranked(Elo(periods=periods), Compare(lambda a, b: (a, b)))
        known = [score for score in scores if score is not None]
        return max(known) - min(known)

    assert 0 < spread(1) < spread(10) < spread(100) < 1


def test_many_responses_do_not_make_it_overshoot() -> None:
    scores = ranked(Elo(k=400.0, periods=200), Compare(lambda a, b: (a, b)), count=60)
    known = [score for score in scores if score is not None]
    assert known == sorted(known) and len(set(known)) == 60


def test_a_pair_half_read_is_left_out() -> None:
    def rule(a: int, b: int) -> Scores | None:
        return None if (a, b) == (0, 1) else (0.0, 1.0) if (a, b) == (1, 0) else (b, a)

    scores = ranked(Elo(), Compare(rule), count=3)
    assert scores[0] == scores[1] != scores[2], "the order that could be read says 1 beats 0"


def test_four_hundred_points_are_ten_to_one() -> None:
    assert expected(1500, 1500) == 0.5
    assert expected(1900, 1500) == pytest.approx(10 / 11)


def test_the_distribution_registers_every_part() -> None:
    described = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    points = described["project"]["entry-points"]["j1sdk"]
    catalogue = Catalogue.of(*map(import_module, points.values()))
    offered = {kind: set(catalogue.names(kind)) for kind in ("formats", "rewards", "rankings")}
    assert offered == {
        "formats": {form.name for form in (Hinted, RewardAnything, RmR1, Rrm, ThinkJ)},
        "rewards": {"length-bonus", "preference-strength", "rating-closeness"},
        "rankings": {"elo"},
    }


def test_the_readmes_run_files_are_valid() -> None:
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    described = tomllib.loads(readme.partition("```toml")[2].partition("```")[0])
    run_file = build_run({**described, "judge": {**described["judge"], "engine": "scripted"}})
    assert isinstance(run_file.judge.format, JudgmentFormat)
    for name in ("rm-r1", "rrm", "elo", "think-j", "preference-strength", "rating-closeness",
                 "length-bonus", "reward-anything"):  # fmt: skip
        assert f"`{name}`" in readme


@pytest.mark.parametrize("system", ["judge_lrm", "reward_anything", "rm_r1", "rrm", "think_j"])
def test_a_system_is_about_a_hundred_lines(system: str) -> None:
    path = HERE / "j1sdk_family" / f"{system}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(1 for line in lines if line.strip()) <= 115
