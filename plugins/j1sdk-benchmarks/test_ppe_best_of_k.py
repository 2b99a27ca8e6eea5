"""PPE's best of k, scored by its own rules."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from benchmark_results import judged, notes, result, scores
from hypothesis import given, settings
from hypothesis import strategies as st
from j1sdk_benchmarks.ppe_correctness import (
    RESPONSES,
    PPEBestOfK,
    auc,
    curve,
)
from ppe_sets import everywhere, question, stored

from j1sdk import ConfigError, DataError, Scores
from j1sdk.evaluation.evaluations import evaluate
from j1sdk.judgments import records_of
from j1sdk.types import JudgeResult


def best_of_k(folder: Path, *rights: tuple[int, ...]) -> PPEBestOfK:
    records = [question(n, right, RESPONSES) for n, right in enumerate(rights)]
    return PPEBestOfK(path=everywhere(folder, *records))


def by_score(given: Scores) -> Any:
    return lambda task, order: (given[order[0]],)


def test_all_32_responses_are_one_task(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (3, 5))
    task = benchmark.tasks()[0]
    assert (len(task.responses), task.preferred) == (32, 3)
    assert [n for n, rating in enumerate(task.ratings or ()) if rating] == [3, 5]
    assert len(benchmark.presentations(task, 1)) == 32


def test_a_pairwise_judge_is_told_what_to_do(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (3, 5))
    with pytest.raises(ConfigError, match="choose a pointwise format, or ppe-correctness"):
        benchmark.presentations(benchmark.tasks()[0], 2)


def test_a_judge_that_knows_is_as_good_as_can_be(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, tuple(range(8)), tuple(range(16)))
    results = judged(benchmark, lambda task, order: ((task.ratings or ())[order[0]],), arity=1)
    found = scores(benchmark, results)
    assert found["best of 1"] == pytest.approx((8 + 16) / 64)
    two = fmean(1 - (wrong / 32) * ((wrong - 1) / 31) for wrong in (24, 16))
    assert found["best of 2"] == pytest.approx(two)
    assert (found["end score"], found["max score"], found["loss"]) == (1.0, 1.0, 0.0)
    assert found["ROC AUC within prompts"] == 1.0
    assert found["end score, MATH"] == 1.0


def test_a_judge_that_cannot_tell_gains_nothing(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, tuple(range(8)))
    found = scores(benchmark, judged(benchmark, lambda task, order: (5.0,), arity=1))
    for name in ("best of 1", "best of 32", "end score", "max score"):
        assert found[name] == pytest.approx(0.25)
    assert found["ROC AUC within prompts"] == 0.5
    possible = curve([1.0] * 8 + [0.0] * 24, [1.0] * 8 + [0.0] * 24)
    assert found["loss"] == pytest.approx(fmean((one - 0.25) ** 2 for one in possible))


def test_a_judge_that_is_fooled_by_one_response_ends_lower_than_it_was(tmp_path: Path) -> None:
    given = (9.0, *[8.0] * 8, *[1.0] * 23)
    benchmark = best_of_k(tmp_path, tuple(range(1, 9)))
    found = scores(benchmark, judged(benchmark, by_score(given), arity=1))
    assert found["end score"] == 0.0, "the wrong favourite is always among all 32"
    assert found["max score"] == max(curve(given, [float(1 <= n < 9) for n in range(32)]))
    assert found["max score"] > found["best of 1"] == pytest.approx(0.25)


def test_a_response_without_a_score_comes_last(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (0,))
    failing = judged(benchmark, lambda task, order: None if order == (0,) else (-7.0,), arity=1)
    found = scores(benchmark, failing)
    assert found["end score"] == 0.0 and found["best of 1"] == pytest.approx(1 / 32)
    assert found["ROC AUC within prompts"] == 0.0


def test_scores_of_pairs_or_of_some_responses_are_refused(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (0,))
    task = benchmark.tasks()[0]
    some: dict[tuple[int, ...], Scores | None] = {(0,): (1.0,)}
    paired: dict[tuple[int, ...], Scores | None] = {(0, 1): (1.0, 0.0), (1, 0): (0.0, 1.0)}
    for judgments in (some, paired):
        with pytest.raises(DataError, match="judge each of its 32 responses by itself"):
            benchmark.credits(result(task, judgments))


@pytest.mark.parametrize("right", [(), tuple(range(32))])
def test_a_question_with_nothing_to_tell_apart_is_refused(
    tmp_path: Path, right: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match="some of them true and some false"):
        best_of_k(tmp_path, right).tasks()


def test_a_set_alone_has_scores_and_no_mean(tmp_path: Path) -> None:
    path = stored(tmp_path, MATH=[question(1, (0, 1), RESPONSES)])
    benchmark = PPEBestOfK(path=path)
    results = judged(benchmark, by_score(tuple(map(float, range(32)))), arity=1)
    found = scores(benchmark, results)
    assert found["end score, MATH"] == 0.0 and "end score" not in found
    assert notes(benchmark, results)[0].startswith("No overall score: nothing of MMLU-Pro, GPQA")


def test_best_of_k_survives_the_record_file(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (1, 2, 3))
    results = judged(benchmark, by_score(tuple(map(float, range(32)))), arity=1)
    evaluation = evaluate(benchmark, records_of(results))
    expected = scores(benchmark, results)
    for name in ("end score", "max score", "loss", "best of 4", "ROC AUC within prompts, GPQA"):
        found = evaluation.score(name)
        assert found is not None and found.value == pytest.approx(expected[name])
    assert evaluation.metrics.invalid_rate == 0.0


PUBLISHED_AUC = {
    "Athene-RM-70B": ((0.792, 0.760, 0.603, 0.661, 0.594), 0.682),
    "Nemotron-4-340B-Reward": ((0.704, 0.660, 0.570, 0.506, 0.587), 0.605),
    "NaiveVerbosityModel": ((0.495, 0.528, 0.506, 0.330, 0.511), 0.474),
}


@pytest.mark.parametrize("model", PUBLISHED_AUC)
def test_published_means_over_the_five_are_plain(model: str) -> None:
    five, mean = PUBLISHED_AUC[model]
    assert fmean(five) == pytest.approx(mean, abs=0.001)


marks = st.lists(st.tuples(st.integers(0, 3).map(float), st.sampled_from([0.0, 1.0])),
                 min_size=1, max_size=7)  # fmt: skip


@given(marks, st.data())
@settings(max_examples=60, deadline=None)
def test_the_curve_is_the_mean_over_all_draws(
    drawn: list[tuple[float, float]], data: st.DataObject
) -> None:
    given_scores, right = zip(*drawn, strict=True)
    k = data.draw(st.integers(1, len(drawn)))
    picked = []
    for some in combinations(range(len(drawn)), k):
        best = max(given_scores[one] for one in some)
        picked.append(fmean(right[one] for one in some if given_scores[one] == best))
    assert curve(given_scores, right)[k - 1] == pytest.approx(fmean(picked))


@given(marks)
@settings(max_examples=60, deadline=None)
def test_one_draw_is_the_share_that_is_right_and_all_draws_the_favourite(
    drawn: list[tuple[float, float]],
) -> None:
    given_scores, right = zip(*drawn, strict=True)
    assert curve(given_scores, right)[0] == pytest.approx(fmean(right))
    best = [good for one, good in drawn if one == max(given_scores)]
    assert curve(given_scores, right)[-1] == pytest.approx(fmean(best))


@given(marks)
@settings(max_examples=60, deadline=None)
def test_no_judge_beats_the_one_that_knows(drawn: list[tuple[float, float]]) -> None:
    given_scores, right = zip(*drawn, strict=True)
    for reached, possible in zip(curve(given_scores, right), curve(right, right), strict=True):
        assert reached <= possible + 1e-9


@given(marks)
@settings(max_examples=60, deadline=None)
def test_the_auc_turns_round_with_the_scores(drawn: list[tuple[float, float]]) -> None:
    given_scores, right = zip(*drawn, strict=True)
    area, turned = auc(given_scores, right), auc([-one for one in given_scores], right)
    if len(set(right)) < 2:
        assert area is turned is None
    else:
        assert area is not None and turned is not None
        assert area + turned == pytest.approx(1.0)


def test_the_curve_agrees_with_draws_at_random() -> None:
    generator = random.Random(0)
    given_scores = [float(generator.randint(0, 9)) for _ in range(32)]
    right = [float(generator.random() < 0.4) for _ in range(32)]
    drawn = []
    for _ in range(20_000):
        some = generator.sample(range(32), 4)
        generator.shuffle(some)
        drawn.append(right[max(some, key=lambda one: given_scores[one])])
    assert curve(given_scores, right)[3] == pytest.approx(fmean(drawn), abs=0.015)


def test_one_prompts_results_are_of_one_unit(tmp_path: Path) -> None:
    benchmark = best_of_k(tmp_path, (1,), (2,))
    results: list[JudgeResult] = judged(benchmark, by_score((1.0,) * 32), arity=1)
    assert len(benchmark.units(results)) == 10
    assert benchmark.pairs(results[0]) == []
