"""PPE: preference and correctness, by hand, against published rows, by laws, and from files."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from benchmark_results import always_first, judged, notes, result, scores, verdict, write
from j1sdk_benchmarks.ppe_correctness import (
    SETS,
    PPECorrectness,
)
from j1sdk_benchmarks.ppe_preference import PPEPreference
from ppe_sets import everywhere, question, stored

from j1sdk import DataError, JudgmentTask, Scores
from j1sdk.evaluation.credits import AS_GIVEN, CONSISTENT, STRICT

VOTE = {
    "question_id": "q1", "prompt": "?", "response_1": "one", "response_2": "two",
    "model_a": "m", "model_b": "n", "winner": "model_a",
}  # fmt: skip


def votes(folder: Path, *changes: dict[str, Any]) -> PPEPreference:
    records = [{**VOTE, "question_id": f"q{n}", **one} for n, one in enumerate(changes)]
    return PPEPreference(path=write(folder / "votes.json", records))


def gold(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
    return verdict(*(float(index == task.preferred) for index in order))


def test_votes_with_a_winner_are_tasks_and_ties_are_not(tmp_path: Path) -> None:
    benchmark = votes(
        tmp_path, {}, {"winner": "tie"}, {"winner": "model_b"}, {"winner": "tie (bothbad)"}
    )
    first, second = benchmark.tasks()
    assert (first.responses, first.preferred, first.id) == (("one", "two"), 0, "q0")
    assert (second.responses, second.preferred, second.id) == (("one", "two"), 1, "q2")


def test_how_many_votes_were_kept_is_said(tmp_path: Path) -> None:
    benchmark = votes(tmp_path, {}, {"winner": "tie"}, {"winner": "model_b"})
    (note,) = notes(benchmark, judged(benchmark, gold))
    assert note == "2 of the 16,038 votes: those that people called a tie are left out."


def test_a_vote_counts_for_each_of_its_marks(tmp_path: Path) -> None:
    benchmark = votes(
        tmp_path,
        {"hard_prompt": True, "math_prompt": True, "is_code": False},
        {"hard_prompt": True, "winner": "model_b"},
        {"winner": "model_b", "english_prompt": True},
        {"language": "French"},
    )
    subsets = [task.subset for task in benchmark.tasks()]
    assert subsets == ["hard_prompt+math_prompt", "hard_prompt", "english_prompt", "no mark"]
    results = judged(benchmark, lambda task, order: verdict(-order[0], -order[1]))
    found = scores(benchmark, results)
    assert found[STRICT] == found[CONSISTENT] == 0.5, "model_a is always preferred"
    assert (found["hard_prompt"], found["math_prompt"], found["english_prompt"]) == (0.5, 1.0, 0.0)
    assert "is_code" not in found and "easy_prompt" not in found


def test_a_judge_with_position_bias_is_right_half_the_time(tmp_path: Path) -> None:
    benchmark = votes(tmp_path, {}, {"winner": "model_b"}, {"winner": "model_b"})
    found = scores(benchmark, judged(benchmark, always_first))
    assert found[STRICT] == 0.5 and found[CONSISTENT] == 0.0
    assert found[AS_GIVEN] == pytest.approx(1 / 3)


def test_one_order_is_drawn_by_the_task(tmp_path: Path) -> None:
    benchmark = votes(tmp_path, *[{}] * 60)
    shown = [benchmark.presentations(task, 2, both_orders=False) for task in benchmark.tasks()]
    assert {len(one) for one in shown} == {1}
    assert 15 < sum(one[0].order == (0, 1) for one in shown) < 45


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"winner": "model_c"}, "winner: expected model_a, model_b or a tie, got 'model_c'"),
        ({"winner": None}, "winner: expected a string, got nothing"),
        ({"response_2": 2}, "response_2: expected a string, got int"),
        ({"prompt": None}, "prompt: expected a string, got nothing"),
        ({"question_id": None}, "question_id: expected a string or a whole number"),
    ],
)
def test_a_bad_vote_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        votes(tmp_path, {}, change).tasks()
    assert f"votes.json, record 2: {complaint}" in str(caught.value)


def test_each_sampled_pair_is_a_task_in_the_order_given(tmp_path: Path) -> None:
    benchmark = PPECorrectness(path=stored(tmp_path, MMLU_Pro=[question()]))
    first, second = benchmark.tasks()
    assert (first.responses, first.preferred) == (("response 0", "response 1"), 0)
    assert (second.responses, second.preferred) == (("response 3", "response 2"), 1)
    assert (first.subset, first.id) == ("MMLU-Pro", "MMLU-Pro/1/gemma/0-1")
    assert first.prompt[0].content == "1?"


def test_a_pair_sampled_twice_is_judged_and_counts_twice(tmp_path: Path) -> None:
    sampled = question(sampled_conflict_pairs=[[0, 1], [0, 1], [2, 1]])
    benchmark = PPECorrectness(path=everywhere(tmp_path, sampled))
    tasks = benchmark.tasks()
    assert len({task.id for task in tasks}) == len(tasks) == 15
    results = judged(benchmark, lambda task, order: gold(task, order)
                     if "/0-1" in task.id else always_first(task, order))  # fmt: skip
    assert scores(benchmark, results)["overall"] == pytest.approx((1 + 1 + 0.5) / 3)


def test_a_prompt_put_to_several_models_is_several(tmp_path: Path) -> None:
    path = stored(tmp_path, GPQA=[question(), question(model_name="llama")])
    assert len({task.id for task in PPECorrectness(path=path).tasks()}) == 4


def test_overall_is_the_mean_of_the_five_however_many_pairs_they_have(tmp_path: Path) -> None:
    path = everywhere(tmp_path, question())
    stored(path, MATH=[question(number) for number in range(4)])
    benchmark = PPECorrectness(path=path)
    results = judged(
        benchmark, lambda task, order: gold(task, order) if task.subset == "MATH" else (0.5, 0.5)
    )
    found = scores(benchmark, results)
    assert (found["MATH"], found["GPQA"]) == (1.0, 0.0)
    assert found["overall"] == found["overall, position-consistent"] == pytest.approx(1 / 5)
    assert found[STRICT] == pytest.approx(8 / 16), "over pairs"
    assert notes(benchmark, results) == []


def test_without_one_of_the_five_there_is_no_overall_score(tmp_path: Path) -> None:
    benchmark = PPECorrectness(path=stored(tmp_path, MATH=[question()], IFEval=[question()]))
    results = judged(benchmark, gold)
    assert "overall" not in scores(benchmark, results)
    assert notes(benchmark, results) == [
        "No overall score: nothing of MMLU-Pro, GPQA, MBPP-Plus was judged."
    ]


PUBLISHED = {
    "J1-Llama-8B": ((65.6, 70.0, 53.2, 54.0, 53.1), 59.2),
    "J1-Llama-70B": ((79.0, 86.0, 65.9, 67.3, 66.0), 72.9),
    "J1-Qwen-32B-MultiTask": ((85.0, 94.3, 68.6, 69.5, 66.3), 76.8),
    "DeepSeek-GRM-27B": ((64.8, 68.8, 55.6, 59.8, 50.1), 59.8),
}
"""MMLU-Pro, MATH, GPQA, IFEval, MBPP-Plus; overall."""


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_overall_scores_are_means_of_the_five(model: str) -> None:
    five, overall = PUBLISHED[model]
    assert fmean(five) == pytest.approx(overall, abs=0.1)


def test_a_judge_with_a_published_rows_sets_gets_its_overall_score() -> None:
    five, overall = PUBLISHED["J1-Llama-8B"]
    results = []
    for subset, share in zip(SETS, five, strict=True):
        for number in range(1000):
            task = JudgmentTask.from_pair("?", "a", "b", subset=subset, id=str(number))
            won = number < 10 * share
            results.append(result(task, {(0, 1): verdict(won, 0.5), (1, 0): verdict(0.5, won)}))
    found = scores(PPECorrectness(), results)
    assert 100 * found["MATH"] == pytest.approx(70.0)
    assert 100 * found["overall"] == pytest.approx(overall, abs=0.1)


@pytest.mark.parametrize(
    "place",
    ["PPE-MATH-Best-of-K/data/train-00000.json", "math_best_of_k.json", "ppe-math-best-of-k.json"],
)
def test_the_path_tells_which_set_it_is(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "PPE-GPQA-Best-of-K-and-others"
    path = write(folder / place, [question()])
    assert {task.subset for task in PPECorrectness(path=path).tasks()} == {"MATH"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scores": None}, "scores: expected a list of true and false"),
        ({"scores": []}, "scores: expected a list of true and false"),
        ({"scores": [True, 0.5]}, "scores: expected a list of true and false"),
        ({"scores": [True, False] * 3}, "response_5: expected a string, got nothing"),
        ({"sampled_conflict_pairs": None}, "sampled_conflict_pairs: expected a list of pairs"),
        ({"sampled_conflict_pairs": [[0, 2]]}, "[0, 2] is no pair of right and wrong"),
        ({"sampled_conflict_pairs": [[0, 4]]}, "[0, 4] is no pair of right and wrong"),
        ({"sampled_conflict_pairs": [[0, -1]]}, "[0, -1] is no pair of right and wrong"),
        ({"sampled_conflict_pairs": [[0]]}, "[0] is no pair of right and wrong"),
        ({"sampled_conflict_pairs": [3]}, "3 is no pair of right and wrong"),
        ({"model_name": None}, "model_name: expected a string, got nothing"),
        ({"prompt": None}, "prompt: expected a string, got nothing"),
    ],
)
def test_a_bad_question_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = stored(tmp_path, MATH=[question(), question(2, **change)])
    with pytest.raises(DataError) as caught:
        PPECorrectness(path=path).tasks()
    assert "train.json, record 2: " in str(caught.value) and complaint in str(caught.value)


def test_a_file_that_could_be_any_of_the_five_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", [question()])
    with pytest.raises(DataError, match="record 1: set: the path must tell which it is"):
        PPECorrectness(path=path).tasks()


def test_how_to_do_without_a_network_names_the_five_data_sets() -> None:
    assert "PPE-{MMLU-Pro,MATH,GPQA,IFEval,MBPP-Plus}-Best-of-K" in PPECorrectness().how
