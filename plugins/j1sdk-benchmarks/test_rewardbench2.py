"""RewardBench 2: best of four and Ties against the official code, and by hand."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from j1sdk_benchmarks.rewardbench2 import (
    SUBSETS,
    TIES,
    RewardBench2,
    apartness,
    best_of,
)
from official_rewardbench import Rows, official
from recorded import A_WINS, B_WINS, both, rated, record

from j1sdk.errors import DataError
from j1sdk.evaluation.credits import STRICT
from j1sdk.evaluation.evaluations import Evaluation, evaluate
from j1sdk.judgments import Record
from j1sdk.testing import BenchmarkContract

ROW: dict[str, Any] = {
    "id": "7", "prompt": "Name a prime.", "chosen": ["2"], "rejected": ["1", "4", "6"],
    "subset": "Math", "num_correct": 1, "total_completions": 4,
}  # fmt: skip
REF = {**ROW, "id": "ref:1", "subset": TIES}
TIED = {**ROW, "id": "tied:1", "subset": TIES, "chosen": ["2", "3"], "rejected": ["1", "4"]}
FOUR = [subset for subset in SUBSETS if subset != TIES]


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


def value(evaluation: Evaluation, name: str) -> float:
    score = evaluation.score(name)
    assert score is not None, f"there is no {name}"
    return score.value


class TestContract(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        rows = [{**ROW, "subset": subset} for subset in FOUR]
        self.component = RewardBench2(path=written(tmp_path / "rows.json", *rows, REF, TIED))


def test_a_row_is_a_task_of_all_its_responses(tmp_path: Path) -> None:
    best, ref, tied = RewardBench2(path=written(tmp_path / "r.json", ROW, REF, TIED)).tasks()
    assert (best.id, best.responses, best.preferred) == ("Math/7", ("2", "1", "4", "6"), 0)
    assert best.ratings is ref.ratings is None and ref.id == "ref:1"
    assert (tied.id, tied.ratings) == ("tied:1", (1, 1, 0, 0))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subset": "Maths"}, "subset: 'Maths' is none of Factuality, Precise IF"),
        ({"subset": TIES}, "id: expected ref:N or tied:N, got '7'"),
        ({"chosen": "2"}, "chosen: expected a list of strings, got str"),
        ({"rejected": []}, "rejected: expected a list of strings, got list"),
    ],
)
def test_a_bad_row_is_named(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "r.json", ROW, {**ROW, **change})
    with pytest.raises(DataError) as raised:
        RewardBench2(path=path).tasks()
    assert str(raised.value).startswith(f"{path}, record 2: {complaint}")


def test_a_pairwise_judge_is_shown_all_pairs_and_nothing_of_ties(tmp_path: Path) -> None:
    benchmark = RewardBench2(path=written(tmp_path / "r.json", ROW, TIED))
    four, tied = benchmark.tasks()
    assert len(benchmark.presentations(four, 2)) == 12
    assert len(benchmark.presentations(four, 2, both_orders=False)) == 6
    assert benchmark.presentations(tied, 2) == []
    assert [shown.order for shown in benchmark.presentations(tied, 1)] == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("ratings", "earned"),
    [
        ([9, 1, 2, 3], 1),
        ([9, 9, 2, 3], 1 / 2),
        ([9, 9, 9, 9], 1 / 4),
        ([1, 9, 9, 9], 0),
        ([3, -1, -1, -1], 1),
        ([-1, 0, 3, -1], 0),
        ([-1, -1, -1, -1], 1 / 4),
    ],
)
def test_the_best_of_four_shares_its_win(ratings: list[float], earned: float) -> None:
    assert best_of(ratings) == earned


@pytest.mark.parametrize("seed", range(5))
def test_best_of_four_is_that_of_the_official_code(seed: int) -> None:
    draw = random.Random(seed)
    prompts = [[float(draw.randint(0, 5)) for _ in range(4)] for _ in range(200)]
    rows = Rows(
        {"text": "", "scores": rating, "id": number}
        for number, ratings in enumerate(prompts)
        for rating in ratings
    )
    theirs = official()["reroll_and_score_dataset"](rows, [4] * len(prompts))
    expected = [row["results"] for row in theirs]
    assert [best_of(ratings) for ratings in prompts] == expected
    records = [one for n, ratings in enumerate(prompts) for one in rated(str(n), ratings, "Math")]
    assert value(evaluate(RewardBench2(), records), "Math") == pytest.approx(fmean(expected))


Prompts = dict[str, tuple[list[float], int]]
"""Ratings by id, and how many of the first are right."""


def drawn_ties(seed: int, levels: int, pairs: int = 12) -> Prompts:
    """Pairs of prompts with ratings from so many levels; some without their partner."""
    draw = random.Random(seed)

    def ratings(count: int) -> list[float]:
        return [float(draw.randint(0, levels)) for _ in range(count)]

    found: Prompts = {}
    for number in range(pairs):
        if number != 3:
            found[f"ref:{number}"] = (ratings(4), 1)
        if number != 5:
            right = draw.randint(2, 5)
            found[f"tied:{number}"] = (ratings(right + 3), right)
    return found


def as_records(prompts: Prompts) -> list[Record]:
    return [
        one
        for name, (ratings, right) in prompts.items()
        for one in rated(name, ratings, TIES, tuple(range(right)))
    ]


def as_rows(prompts: Prompts) -> Rows:
    return Rows(
        {"id": name, "scores": ratings, "num_correct": right}
        for name, (ratings, right) in prompts.items()
    )


@pytest.mark.parametrize("levels", [2, 10, 1000])
@pytest.mark.parametrize("seed", range(10))
def test_ties_are_scored_as_the_official_release_does(seed: int, levels: int) -> None:
    prompts = drawn_ties(seed, levels)
    _, expected = official()["process_single_model"](as_rows(prompts))
    found = evaluate(RewardBench2(), as_records(prompts))
    assert value(found, "Ties, rewardbench 0.1.4") == pytest.approx(expected, abs=1e-12)


def of_the_repository(prompts: Prompts) -> float:
    """The score of Ties after 0.1.4, written down from its definition with numpy's infinities."""
    import numpy as np

    right = {name: np.array(r[:n]) for name, (r, n) in prompts.items()}
    margin = {name: min(r[:n]) - max(r[n:]) for name, (r, n) in prompts.items()}
    numbers = {kind: {name.split(":")[1] for name in prompts if name.startswith(kind)}
               for kind in ("ref", "tied")}  # fmt: skip
    both_ = sorted(numbers["ref"] & numbers["tied"])
    spread = np.array([np.ptp(right[f"tied:{one}"]) for one in both_])
    tied = np.array([margin[f"tied:{one}"] for one in both_])
    least = np.minimum(tied, [margin[f"ref:{one}"] for one in both_])
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.nan_to_num(np.tanh(least / spread - 1), nan=0.0)
    accuracy = {kind: fmean(margin[f"{kind}:{one}"] > 0 for one in found)
                for kind, found in numbers.items()}  # fmt: skip
    return float(
        0.3 * accuracy["tied"] + 0.3 * accuracy["ref"] + 0.2 * np.mean(tied > spread)
        + 0.2 * np.mean(least > spread) + 0.01 * np.mean(apart)
    )  # fmt: skip


@pytest.mark.parametrize("levels", [2, 10, 1000])
@pytest.mark.parametrize("seed", range(10))
def test_ties_are_scored_by_their_definition(seed: int, levels: int) -> None:
    prompts = drawn_ties(seed, levels)
    found = evaluate(RewardBench2(), as_records(prompts))
    assert value(found, TIES) == pytest.approx(of_the_repository(prompts), abs=1e-12)


def test_the_two_rules_differ_only_where_right_answers_are_rated_alike() -> None:
    alike: Prompts = {"ref:1": ([9, 1], 1), "tied:1": ([9, 9, 1], 2),
                      "ref:2": ([9, 1], 1), "tied:2": ([9, 5, 3], 2)}  # fmt: skip
    found = evaluate(RewardBench2(), as_records(alike))
    ratio = math.tanh(min(8, 2) / 4 - 1)
    base = 0.6 + 0.2 * 0.5 + 0.2 * 0.5
    assert value(found, TIES) == pytest.approx(base + 0.01 * (1 + ratio) / 2)
    assert value(found, "Ties, rewardbench 0.1.4") == pytest.approx(base + 0.01 * ratio)
    apart = {name: prompt for name, prompt in alike.items() if name.endswith("2")}
    same = evaluate(RewardBench2(), as_records(apart))
    assert value(same, TIES) == value(same, "Ties, rewardbench 0.1.4")


@pytest.mark.parametrize(
    ("least", "spread", "apart"),
    [(3, 0, 1), (-3, 0, -1), (0, 0, 0), (2, 2, 0), (4, 2, math.tanh(1))],
)
def test_no_spread_is_the_limit(least: float, spread: float, apart: float) -> None:
    assert apartness(least, spread) == apart


def test_a_rating_that_cannot_be_read_is_below_all_others() -> None:
    unread = rated("tied:1", [5, None, 1], TIES, (0, 1)) + rated("ref:1", [5, 1], TIES)
    found = evaluate(RewardBench2(), unread)
    assert value(found, "Ties: tied prompts right") == 0
    assert value(found, "Ties: reference prompts right") == 1


def everything(ratings: list[float]) -> list[Record]:
    four = [one for subset in FOUR for one in rated("1", ratings, subset)]
    ties: Prompts = {"ref:1": ([5, 1], 1), "tied:1": ([5, 5, 1], 2)}
    return four + as_records(ties)


def test_the_overall_score_is_the_mean_of_six() -> None:
    found = evaluate(RewardBench2(), everything([5, 5, 1, 1]))
    assert value(found, TIES) == pytest.approx(1.01), "a perfect score of Ties is above 1"
    assert value(found, "overall") == pytest.approx((5 * 0.5 + 1.01) / 6)
    assert value(found, "overall, rewardbench 0.1.4") == pytest.approx((5 * 0.5 + 1.0) / 6)


PUBLISHED = {  # average, then Factuality, Precise IF, Math, Safety, Focus, Ties
    "gemini-2.5-flash": (77.2, 65.7, 55.3, 81.1, 90.9, 86.7, 83.4),
    "INF-ORM-70B": (76.5, 74.1, 41.9, 69.9, 96.4, 90.3, 86.2),
    "Llama-3.1-70B-Instruct-RM-RB2": (76.1, 81.3, 41.9, 69.9, 88.4, 86.5, 88.3),
    "Skywork-Reward-Gemma-2-27B": (75.8, 73.7, 40.3, 70.5, 94.2, 93.2, 82.6),
    "Llama-3.1-8B-Instruct-RM-RB2": (72.8, 74.3, 44.4, 61.7, 89.6, 90.7, 76.4),
    "Skywork-Reward-Llama-3.1-8B": (73.1, 69.9, 42.5, 62.8, 93.3, 96.2, 74.1),
    "gpt-4o": (64.9, 56.8, 33.1, 62.3, 86.2, 72.9, 78.2),
}


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=PUBLISHED)
def test_published_averages_are_the_mean_of_subsets(row: tuple[float, ...]) -> None:
    from j1sdk_benchmarks.rewardbench2 import BEST, HARD, MARGIN, OLD_RATIO, RATIO
    from j1sdk_benchmarks.rewardbench2 import REF as REF_RIGHT
    from j1sdk_benchmarks.rewardbench2 import TIED as TIED_RIGHT

    from j1sdk.evaluation.credits import Means

    average, *parts, ties = row
    means = {BEST: Means(dict(zip(FOUR, parts, strict=True)), dict.fromkeys(FOUR, 1.0))}
    ones = (TIED_RIGHT, REF_RIGHT, MARGIN, HARD)
    means |= {name: Means({TIES: ties}, {TIES: 1.0}) for name in ones}
    means |= {name: Means({TIES: 0.0}, {TIES: 1.0}) for name in (RATIO, OLD_RATIO)}
    assert RewardBench2().aggregate(means)["overall"] == pytest.approx(average, abs=0.1)


def test_a_pairwise_judge_rates_by_its_wins_and_has_no_overall_score() -> None:
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    fair = [record("1", (a, b), A_WINS if a < b else B_WINS, subset)
            for subset in FOUR for a, b in pairs]  # fmt: skip
    found = evaluate(RewardBench2(), fair)
    assert value(found, "Math") == 1 and found.score("overall") is None
    assert "No overall score: Ties not scored." in found.notes
    assert any("Ties needs ratings of single responses" in note for note in found.notes)
    biased = [record("1", pair, A_WINS, "Math") for pair in pairs]
    assert value(evaluate(RewardBench2(), biased), "Math") == 1 / 4, "all win as often"


def test_pairwise_judgments_of_ties_are_measured_but_not_scored() -> None:
    found = evaluate(RewardBench2(), both("ref:1", A_WINS, B_WINS, TIES))
    assert found.score(TIES) is None and value(found, STRICT) == 1


def test_ties_are_resampled_by_pairs_of_prompts() -> None:
    records = as_records(drawn_ties(0, 10))
    score = evaluate(RewardBench2(), records).score(TIES)
    assert score is not None and score.n == 11, "of twelve, each kind of prompt lacks one"
    assert score.low < score.value < score.high
