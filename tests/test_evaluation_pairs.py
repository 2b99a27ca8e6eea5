"""Benchmarks of plain pairs: EvalBiasBench, HHH alignment, and a file of one's own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from benchmark_results import (
    SHARED,
    always_first,
    judged,
    longer,
    needs_shared_data,
    result,
    scores,
    verdict,
    write,
)
from j1sdk_benchmarks.eval_bias_bench import AGREEMENT, EvalBiasBench
from j1sdk_benchmarks.hhh_alignment import CATEGORIES, HHHAlignment

from j1sdk import DataError, JudgeRewardModel, JudgmentTask, PairwiseVerdict, Scores
from j1sdk.evaluation.benchmarks.pairs import Pairs
from j1sdk.evaluation.credits import AS_GIVEN, CONSISTENT, HALF, STRICT, SWAPPED
from j1sdk.judging import judge_benchmark
from j1sdk.testing.judges import always_first as first_engine

BIASES = SHARED / "offsetbias" / "data" / "evalbiasbench" / "biasbench.json"
GRADED = SHARED / "prometheus-eval" / "eval" / "benchmark" / "data" / "hhh_alignment_eval.json"
BIAS = {"bias": "length bias", "instruction": "?", "response1": "a", "response2": "b", "label": 1}
A, B, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def test_the_arrays_of_all_biases_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "biasbench.json",
        {"length bias": [BIAS, BIAS], "concreteness": [{**BIAS, "bias": "concreteness"}]},
    )
    tasks = EvalBiasBench(path=path).tasks()
    assert [task.id for task in tasks] == ["length bias/1", "length bias/2", "concreteness/3"]
    assert {task.preferred for task in tasks} == {0} and tasks[0].responses == ("a", "b")


@pytest.mark.parametrize(
    ("as_given", "swapped", "right", "both", "agreed"),
    [
        (A, B, 1.0, 1.0, 1.0),
        (A, A, 0.5, 0.0, 0.0),
        (B, A, 0.0, 0.0, 1.0),
        (TIE, TIE, 0.0, 0.0, 1.0),
        (TIE, A, 0.0, 0.0, 0.0),
        (None, None, 0.0, 0.0, 0.0),
        (A, None, 0.5, 0.0, 0.0),
    ],
)
def test_a_pair_in_two_orders(
    as_given: Scores | None, swapped: Scores | None, right: float, both: float, agreed: float
) -> None:
    task = JudgmentTask.from_pair("?", "a", "b", subset="concreteness")
    known = EvalBiasBench().credits(result(task, {(0, 1): as_given, (1, 0): swapped}))
    assert (known[STRICT], known[CONSISTENT], known[AGREEMENT]) == (right, both, agreed)


def test_ratings_and_single_orders_say_nothing_of_agreement() -> None:
    task = JudgmentTask.from_pair("?", "a", "b", subset="concreteness")
    rated = EvalBiasBench().credits(result(task, {(0,): (3.0,), (1,): (2.0,)}))
    assert (rated[STRICT], rated[AGREEMENT]) == (1.0, None)
    assert EvalBiasBench().credits(result(task, {(0, 1): A}))[AGREEMENT] is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": 3}, "label: expected 1 or 2, got 3"),
        ({"bias": None}, "bias: expected a string, got nothing"),
        ({"response2": None}, "response2: expected a string, got nothing"),
        ({"instruction": 1}, "instruction: expected a string, got int"),
    ],
)
def test_a_bad_biased_pair_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path / "biasbench.json", {"length bias": [BIAS], "x": [{**BIAS, **change}]})
    with pytest.raises(DataError) as caught:
        EvalBiasBench(path=path).tasks()
    assert str(caught.value) == f"{path}, record 2: {complaint}"


def test_where_to_get_the_files_is_said() -> None:
    with pytest.raises(DataError, match=r"take data/evalbiasbench/biasbench.json of github.com"):
        EvalBiasBench().tasks()
    with pytest.raises(DataError, match=r"take eval/benchmark/data/hhh_alignment_eval.json of"):
        HHHAlignment().tasks()
    with pytest.raises(DataError, match=r"pairs is not on the .* give its records as path"):
        Pairs().tasks()


@needs_shared_data
def test_the_published_file_is_right_in_file_order_and_never_in_both(tmp_path: Path) -> None:
    benchmark = EvalBiasBench(path=BIASES)
    found = scores(benchmark, judged(benchmark, always_first))
    assert (found[AS_GIVEN], found[SWAPPED]) == (1.0, 0.0), "80 of 80, and 0"
    assert (found[STRICT], found[CONSISTENT], found[AGREEMENT]) == (0.5, 0.0, 0.0)
    form = PairwiseVerdict()
    judge = JudgeRewardModel(format=form, engine=first_engine(form))
    consistent = judge_benchmark(judge, benchmark, tmp_path).strict.score(CONSISTENT)
    assert consistent is not None and (consistent.value, consistent.n) == (0.0, 80)


@needs_shared_data
def test_the_published_file_trips_a_judge_of_length() -> None:
    benchmark = EvalBiasBench(path=BIASES)
    tasks = benchmark.tasks()
    assert Counter(task.subset for task in tasks) == {
        "length bias": 17, "concreteness": 14, "empty reference": 13, "content_continuation": 12,
        "nested_instruction": 12, "familiar knowledge preference bias": 12,
    }  # fmt: skip
    found = scores(benchmark, judged(benchmark, longer))
    assert found["length bias"] == 0.0 and found["concreteness"] == pytest.approx(4 / 14)
    assert found[STRICT] == found[CONSISTENT] == pytest.approx(21 / 80)
    assert found["nested_instruction, position-consistent"] == pytest.approx(3 / 12)


@needs_shared_data
def test_one_order_of_the_published_file_does_not_give_the_labels_away() -> None:
    benchmark = EvalBiasBench(path=BIASES)
    results = judged(benchmark, always_first, both_orders=False)
    assert 0.3 < scores(benchmark, results)[STRICT] < 0.7


def graded(response: str, instruction: str = "Be nice.\n\nUser: hello") -> str:
    """A grader's prompt, as the file has them."""
    return (
        "###Task Description:\nGrade it.\n\n###The instruction to evaluate:\n"
        f"{instruction}\n\n###Response to evaluate:\n{response}\n\n###Score Rubrics:\n[Is it nice?]"
        "\nScore 1: No.\n\n###Feedback: "
    )


HHH = {
    "source": "honest", "chosen_instruction": graded("Hello!\n\nHow are you?"),
    "rejected_instruction": graded("Go away."),
}  # fmt: skip


def test_instruction_and_responses_are_taken_out_of_the_graders_prompts(tmp_path: Path) -> None:
    (task,) = HHHAlignment(path=write(tmp_path / "hhh.json", [HHH])).tasks()
    assert task.prompt[0].content == "Be nice.\n\nUser: hello"
    assert task.responses == ("Hello!\n\nHow are you?", "Go away.")
    assert (task.preferred, task.subset, task.id) == (0, "honest", "honest/1")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"source": "harmful"}, "source: 'harmful' is none of helpful, honest, harmless, other"),
        ({"chosen_instruction": "Hello!"}, "chosen_instruction: expected a grader's prompt"),
        ({"rejected_instruction": None}, "rejected_instruction: expected a string, got nothing"),
        (
            {"rejected_instruction": graded("Go away.", "Be rude.")},
            "rejected_instruction: is about another instruction than the chosen",
        ),
    ],
)
def test_a_bad_graded_pair_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path / "hhh.json", [HHH, {**HHH, **change}])
    with pytest.raises(DataError) as caught:
        HHHAlignment(path=path).tasks()
    assert str(caught.value).startswith(f"{path}, record 2: {complaint}")


@needs_shared_data
def test_the_published_graders_prompts_all_come_apart() -> None:
    benchmark = HHHAlignment(path=GRADED)
    tasks = benchmark.tasks()
    counts = Counter(task.subset for task in tasks)
    assert counts == {"honest": 61, "helpful": 59, "harmless": 58, "other": 43}
    assert len({task.prompt for task in tasks}) == 102
    assert not any("###" in text for task in tasks for text in task.responses)
    found = scores(benchmark, judged(benchmark, longer))
    assert found[STRICT] == pytest.approx(139 / 221)
    assert found[HALF] == pytest.approx(140 / 221)
    by_category = sum(counts[one] * found[one] for one in CATEGORIES)
    assert by_category == pytest.approx(139), "the score is over pairs, not over categories"


def own(folder: Path, *lines: dict[str, Any]) -> Pairs:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return Pairs(path=path)


PAIR = {"prompt": "?", "chosen": "yes", "rejected": "no"}


def test_pairs_of_ones_own_are_scored_over_all_and_by_subset(tmp_path: Path) -> None:
    benchmark = own(
        tmp_path,
        {**PAIR, "subset": "sums"},
        {**PAIR, "subset": "sums", "chosen": "a"},
        {**PAIR, "subset": "chat", "id": "c1"},
        PAIR,
    )
    assert [task.id for task in benchmark.tasks()] == ["line-1", "line-2", "c1", "line-4"]
    found = scores(benchmark, judged(benchmark, longer))
    assert found[STRICT] == pytest.approx(3 / 4)
    assert (found["sums"], found["chat"]) == (0.5, 1.0)
    assert "no subset" not in found


def test_a_preferred_response_meets_each_other_one(tmp_path: Path) -> None:
    benchmark = own(tmp_path, {"prompt": "?", "responses": ["b", "aaa", "cc"], "preferred": 2})
    (task,) = benchmark.tasks()
    orders = [one.order for one in benchmark.presentations(task, 2)]
    assert orders == [(2, 0), (2, 1), (0, 2), (1, 2)], "the two others are never compared"
    found = scores(benchmark, judged(benchmark, longer))
    assert found[STRICT] == found[CONSISTENT] == 0.5, "cc beats b and loses to aaa"
    assert scores(benchmark, judged(benchmark, longer, arity=1))[STRICT] == 0.5


def test_several_may_be_preferred_by_their_ratings(tmp_path: Path) -> None:
    benchmark = own(
        tmp_path, {"prompt": "?", "responses": ["aaa", "b", "cc"], "ratings": [5, 1, 5]}
    )
    (task,) = benchmark.tasks()
    assert benchmark.matches(task) == [(0, 1), (2, 1)]
    assert scores(benchmark, judged(benchmark, longer))[STRICT] == 1.0


def test_the_second_response_may_be_the_preferred_one(tmp_path: Path) -> None:
    benchmark = own(tmp_path, {"prompt": "?", "responses": ["a", "bb"], "preferred": 1})
    found = scores(benchmark, judged(benchmark, lambda task, order: verdict(order[0], order[1])))
    assert found[STRICT] == found[CONSISTENT] == 1.0


@pytest.mark.parametrize(
    "line",
    [
        {"prompt": "?", "responses": ["a", "b"]},
        {"prompt": "?", "responses": ["a"], "preferred": 0},
    ],
)
def test_a_task_without_anything_to_be_right_about_is_named(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    benchmark = own(tmp_path, PAIR, {**line, "id": "x"})
    with pytest.raises(DataError, match="task x: preferred: no response is preferred to another"):
        benchmark.tasks()


def test_a_bad_line_of_ones_own_is_named_as_the_source_does(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine.jsonl, line 2: no prompt is found"):
        own(tmp_path, PAIR, {"chosen": "a", "rejected": "b"}).tasks()


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    benchmark = own(tmp_path, PAIR, PAIR, PAIR).model_copy(update={"limit": 2})
    assert [task.id for task in benchmark.tasks()] == ["line-1", "line-2"]
