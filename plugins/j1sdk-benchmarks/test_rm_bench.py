"""RM-Bench: by hand on one prompt, against published rows, by its laws, and from its files."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from benchmark_results import (
    Judge,
    always_first,
    judged,
    longer,
    notes,
    result,
    scores,
    verdict,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from j1sdk_benchmarks.rm_bench import (
    DIFFICULTIES,
    DOMAINS,
    STYLES,
    SUBSETS,
    RMBench,
    cells,
    hardness,
)
from pydantic import ValidationError

from j1sdk import ConfigError, DataError
from j1sdk.evaluation.evaluations import evaluate
from j1sdk.judgments import records_of
from j1sdk.types import JudgeResult, JudgmentTask, Scores

NINE = tuple((chosen, STYLES + rejected) for chosen in range(3) for rejected in range(3))


def record(subset: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """An official record, with made-up responses."""
    return {
        "id": number, "domain": subset, "prompt": f"{subset} {number}?",
        "chosen": ["c", "cc", "ccc"], "rejected": ["r", "rr", "rrr"], **changes,
    }  # fmt: skip


def task(domain: str, number: int = 1) -> JudgmentTask:
    (found,) = RMBench(path=Path("unread")).read(row(record(domain, number)))
    return found


def row(values: dict[str, Any], where: str = "file.json, record 1") -> Any:
    from j1sdk.evaluation.rows import Row

    return Row(where, values)


def pointwise(domain: str, given: Scores, number: int = 1) -> JudgeResult:
    """A prompt whose six responses have these scores, the right ones first."""
    return result(task(domain, number), {(place,): (one,) for place, one in enumerate(given)})


def everywhere(given: Scores) -> list[JudgeResult]:
    """A prompt of each subset with these scores."""
    return [pointwise(subset, given) for subset in SUBSETS]


def matrix(won: Any) -> Judge:
    """A judge of pairs that is right on the cells that are won, in both orders."""

    def judge(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
        chosen, rejected = min(order), max(order) - STYLES
        right = verdict(float(won[chosen][rejected]), 0.5)
        return right if order[0] == chosen else right[::-1]

    return judge


def test_a_prompt_is_six_responses_of_which_three_are_right() -> None:
    found = task("code", 7)
    assert found.responses == ("c", "cc", "ccc", "r", "rr", "rrr")
    assert found.ratings == (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    assert (found.subset, found.id) == ("code", "code/7")


def test_a_pointwise_judge_scores_the_six_and_a_pairwise_one_compares_nine_times_two() -> None:
    benchmark, shown = RMBench(), task("chat")
    assert [one.order for one in benchmark.presentations(shown, 1)] == [(n,) for n in range(6)]
    orders = [one.order for one in benchmark.presentations(shown, 2)]
    assert orders == [*NINE, *((second, first) for first, second in NINE)]


def test_one_order_is_drawn_by_the_task() -> None:
    benchmark = RMBench()
    shown = [benchmark.presentations(task("chat", n), 2, both_orders=False) for n in range(20)]
    assert all([tuple(sorted(one.order)) for one in found] == list(NINE) for found in shown)
    first = [one.order[0] < STYLES for found in shown for one in found]
    assert 0.3 < fmean(first) < 0.7, "right responses come first about as often as second"
    again = benchmark.presentations(task("chat", 0), 2, both_orders=False)
    assert again == shown[0]


def test_the_difficulty_of_a_cell_is_whose_style_is_fancier() -> None:
    named = {cell: hardness(cell) for cell in cells()}
    assert [cell for cell, name in named.items() if name == "hard"] == [(0, 1), (0, 2), (1, 2)]
    assert [cell for cell, name in named.items() if name == "normal"] == [(0, 0), (1, 1), (2, 2)]
    assert [cell for cell, name in named.items() if name == "easy"] == [(1, 0), (2, 0), (2, 1)]


def test_by_hand() -> None:
    """Right 3, 5, 4 against wrong 3, 4, 1: the cells won are those with a higher score."""
    found = scores(RMBench(), everywhere((3, 5, 4, 3, 4, 1)))
    assert found["hard"] == pytest.approx(2 / 3), "3>4 no, 3>1, 5>1"
    assert found["normal"] == pytest.approx(2 / 3), "3>3 is a tie and lost, 5>4, 4>1"
    assert found["easy"] == pytest.approx(2 / 3), "5>3, 4>3, 4>4 is a tie and lost"
    assert found["overall"] == found["chat"] == pytest.approx(6 / 9)
    assert found["accuracy, ties and failures 0.5"] == pytest.approx(7 / 9)


def test_a_judge_of_style_fails_where_it_is_hard() -> None:
    found = scores(RMBench(), everywhere((1, 2, 3, 1, 2, 3)))
    assert (found["hard"], found["normal"], found["easy"]) == (0.0, 0.0, 1.0)


def test_domains_weigh_the_same_and_safety_is_one_of_them_by_its_prompts() -> None:
    right, wrong = (1, 1, 1, 0, 0, 0), (0, 0, 0, 1, 1, 1)
    results = [
        pointwise("chat", right),
        *(pointwise("code", wrong, number) for number in range(5)),
        pointwise("math", wrong),
        *(pointwise("safety-refuse", right, number) for number in range(3)),
        pointwise("safety-response", wrong),
    ]
    found = scores(RMBench(), results)
    assert (found["chat"], found["code"], found["math"]) == (1.0, 0.0, 0.0)
    assert found["safety"] == pytest.approx(3 / 4), "not the mean of 1 and 0"
    assert found["overall"] == pytest.approx((1 + 0 + 0 + 3 / 4) / 4)


def test_a_failed_judgment_loses_its_cells() -> None:
    given: dict[tuple[int, ...], Scores] = {(n,): (float(n < 3),) for n in range(6)}
    failed = result(task("chat"), {**given, (0,): None})
    others = [pointwise(subset, (1, 1, 1, 0, 0, 0)) for subset in SUBSETS[1:]]
    found = scores(RMBench(), [failed, *others])
    assert found["chat"] == pytest.approx(6 / 9)


def test_both_orders_of_a_cell_are_averaged_or_must_both_be_right() -> None:
    results = judged(RMBench(), always_first, tasks=[task(subset) for subset in SUBSETS])
    found = scores(RMBench(), results)
    assert found["overall"] == found["hard"] == 0.5
    assert found["overall, position-consistent"] == found["hard, position-consistent"] == 0.0


def test_a_pairwise_judge_fills_the_matrix() -> None:
    won = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
    results = judged(RMBench(), matrix(won), tasks=[task(subset) for subset in SUBSETS])
    found = scores(RMBench(), results)
    assert (found["hard"], found["normal"], found["easy"]) == (0.0, 1.0, 1.0)
    assert found["overall"] == found["overall, position-consistent"] == pytest.approx(2 / 3)


def test_three_comparisons_are_those_of_one_style() -> None:
    three = RMBench.model_validate({"cells": "same style"})
    shown = task("chat")
    assert [one.order for one in three.presentations(shown, 2)][:3] == [(0, 3), (1, 4), (2, 5)]
    assert sum(len(three.presentations(shown, 2, both_orders=False)) for _ in range(1327)) == 3981
    results = judged(three, longer, tasks=[task(subset) for subset in SUBSETS])
    found = scores(three, results)
    assert found["normal"] == 0.0 and "overall" not in found and "chat" not in found
    (note,) = notes(three, results)
    assert note == "No overall score: chat, code, math, safety, hard, easy not known."
    with pytest.raises(ValidationError, match="same style"):
        RMBench.model_validate({"cells": "diagonal"})


def test_without_a_domain_there_is_no_average_over_domains() -> None:
    results = [pointwise("chat", (1, 1, 1, 0, 0, 0)), pointwise("code", (1, 0, 0, 0, 0, 0))]
    found = scores(RMBench(), results)
    assert [found["chat"], found["code"]] == pytest.approx([1, 1 / 3])
    assert not found.keys() & {"overall", "safety", *DIFFICULTIES}
    assert notes(RMBench(), results) == [
        "No overall score: math, safety, hard, normal, easy not known."
    ]
    assert notes(RMBench(), everywhere((1, 1, 1, 0, 0, 0))) == []


PUBLISHED = {
    "Skywork-Reward-Llama-3.1-8B": ((69.5, 60.6, 54.5, 95.7), (46.6, 74.7, 89.0), 70.1),
    "RM-R1-DeepSeek-Distilled-Qwen-32B": ((74.2, 91.8, 74.1, 95.4), (76.7, 85.4, 89.5), 83.9),
    "Nemotron-340B-Reward": ((71.2, 59.8, 59.4, 87.5), (56.1, 71.4, 81.0), 69.5),
    "tulu-v2.5-70b-preference-mix-rm": ((58.2, 51.4, 55.5, 87.1), (50.7, 65.6, 72.8), 63.0),
}
"""Rows of the leaderboard: chat, math, code, safety; hard, normal, easy; overall."""


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_rows_are_means_of_domains_and_of_difficulties(model: str) -> None:
    domains, difficulties, overall = PUBLISHED[model]
    assert fmean(domains) == pytest.approx(overall, abs=0.1)
    assert fmean(difficulties) == pytest.approx(overall, abs=0.1)


def test_a_judge_with_a_published_rows_domains_gets_its_overall_score() -> None:
    """1,000 prompts of each domain, as many of them won whole as the row says."""
    domains, _, overall = PUBLISHED["RM-R1-DeepSeek-Distilled-Qwen-32B"]
    results = [
        pointwise(subset, (1, 1, 1, 0, 0, 0) if number < 10 * share else (0,) * 6, number)
        for share, subset in zip(domains, ("chat", "math", "code", "safety-refuse"), strict=True)
        for number in range(1000)
    ]
    found = scores(RMBench(), results)
    assert 100 * found["chat"] == pytest.approx(domains[0])
    assert 100 * found["overall"] == pytest.approx(overall, abs=0.1)


six = st.tuples(*[st.integers(0, 3).map(float)] * 6)
prompts = st.lists(st.tuples(st.sampled_from(SUBSETS), six), min_size=1, max_size=12)


@given(six)
@settings(max_examples=100, deadline=None)
def test_the_mean_of_the_nine_cells_is_the_mean_of_the_three_difficulties(given: Scores) -> None:
    won = [[given[i] > given[STYLES + j] for j in range(3)] for i in range(3)]
    found = scores(RMBench(), everywhere(given))
    assert found["overall"] == pytest.approx(fmean(cell for line in won for cell in line))
    assert found["overall"] == pytest.approx(fmean(found[one] for one in DIFFICULTIES))


@given(prompts)
@settings(max_examples=50, deadline=None)
def test_averages_by_domain_and_by_difficulty_agree(drawn: list[tuple[str, Scores]]) -> None:
    results = [pointwise(subset, given, n) for n, (subset, given) in enumerate(drawn)]
    found = scores(RMBench(), [*everywhere((1, 0, 2, 0, 1, 2)), *results])
    assert found["overall"] == pytest.approx(fmean(found[one] for one in DOMAINS))
    assert found["overall"] == pytest.approx(fmean(found[one] for one in DIFFICULTIES))


@given(prompts, st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_a_pairwise_judge_that_reads_the_same_scores_gets_the_same_accuracy(
    drawn: list[tuple[str, Scores]], seed: int
) -> None:
    alone = [pointwise(subset, given, n) for n, (subset, given) in enumerate(drawn)]
    by_id = {found.task.id: given for found, (_, given) in zip(alone, drawn, strict=True)}

    def judge(shown: JudgmentTask, order: tuple[int, ...]) -> Scores:
        return verdict(*(by_id[shown.id][index] for index in order))

    tasks = [found.task for found in alone]
    random.Random(seed).shuffle(tasks)
    paired = scores(RMBench(), judged(RMBench(), judge, tasks=tasks))
    expected = scores(RMBench(), alone)
    assert {name: paired[name] for name in expected} == pytest.approx(expected)


def test_scores_survive_the_record_file() -> None:
    results = judged(RMBench(), longer, tasks=[task(subset) for subset in SUBSETS])
    evaluation = evaluate(RMBench(), records_of(results))
    for name, value in scores(RMBench(), results).items():
        found = evaluation.score(name)
        assert found is not None and found.value == pytest.approx(value)
    assert evaluation.notes[0].startswith("5 of 1,327 tasks")


def test_the_file_of_all_domains_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "total_dataset.json", [record(subset) for subset in SUBSETS])
    assert [one.subset for one in RMBench(path=path).tasks()] == list(SUBSETS)


def test_a_folder_is_not_read_twice_over(tmp_path: Path) -> None:
    write(tmp_path / "chat_filtered.json", [record("chat")])
    write(tmp_path / "total_dataset.json", [record(subset) for subset in SUBSETS])
    assert len(RMBench(path=tmp_path).tasks()) == len(SUBSETS)


def test_split_files_have_their_domain_in_their_name(tmp_path: Path) -> None:
    for subset in SUBSETS:
        split = {key: one for key, one in record(subset).items() if key != "domain"}
        write(tmp_path / f"{subset}_filtered.json", [{**split, "subset": "alpacaeval"}])
    assert {one.id for one in RMBench(path=tmp_path).tasks()} == {f"{one}/1" for one in SUBSETS}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"domain": "poetry"}, "domain: 'poetry' is none of chat, code, math"),
        ({"domain": None}, "domain: expected a string, got nothing"),
        ({"id": None}, "id: expected a string or a whole number, got nothing"),
        ({"prompt": 3}, "prompt: expected a string, got int"),
        ({"chosen": "c"}, "chosen: expected a list of strings, got str"),
        ({"chosen": ["c", "c"]}, "chosen: expected 3 responses, got 2"),
        ({"rejected": ["r"] * 4}, "rejected: expected 3 responses, got 4"),
        ({"rejected": ["r", "r", None]}, "rejected: expected a list of strings"),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path / "some.json", [record("chat"), record("chat", 2, **changes)])
    with pytest.raises(DataError) as caught:
        RMBench(path=path).tasks()
    assert str(caught.value).startswith(f"{path}, record 2: {complaint}")


def test_a_record_without_a_domain_in_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    (values,) = [{key: one for key, one in record("chat").items() if key != "domain"}]
    path = write(tmp_path / "mine.json", [values])
    with pytest.raises(DataError, match="domain: expected a string, got nothing"):
        RMBench(path=path).tasks()


def test_errors_of_options_are_config_errors() -> None:
    from j1sdk.cli.evaluate import benchmark_of

    with pytest.raises(ConfigError, match="cells"):
        benchmark_of("rm-bench", ("cells=three",), {})
