"""RewardBench: its arithmetic against the official code, published rows, and hand-made cases."""

from __future__ import annotations

import json
import random
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from j1sdk_benchmarks.rewardbench import SECTIONS, SUBSETS, RewardBench, sections
from official_rewardbench import official
from recorded import A_WINS, B_WINS, TIE, Scores, both, drawn_pairs, rated, record

from j1sdk.errors import DataError
from j1sdk.evaluation.credits import HALF, STRICT, Means
from j1sdk.evaluation.evaluations import Evaluation, evaluate
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import Record
from j1sdk.testing import BenchmarkContract

ROW: dict[str, Any] = {
    "prompt": "2+2?", "chosen": "4", "chosen_model": "a", "rejected": "5", "rejected_model": "b",
    "subset": "math-prm", "id": 3,
}  # fmt: skip
SIZES = {subset: 447 if subset == "math-prm" else count
         for weights in SECTIONS.values() for subset, count in weights.items()}  # fmt: skip


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def value(evaluation: Evaluation, name: str) -> float:
    score = evaluation.score(name)
    assert score is not None, f"there is no {name}"
    return score.value


class TestContract(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        rows = [{**ROW, "subset": subset, "id": n} for subset in sorted(SUBSETS) for n in (1, 2)]
        self.component = RewardBench(path=written(tmp_path / "rows.jsonl", *rows))


def test_a_row_is_a_pair_with_the_chosen_response_first(tmp_path: Path) -> None:
    (task,) = RewardBench(path=written(tmp_path / "r.jsonl", ROW)).tasks()
    assert (task.responses, task.preferred) == (("4", "5"), 0)
    assert (task.subset, task.id) == ("math-prm", "math-prm/3")


def test_one_id_may_occur_in_several_subsets_and_even_in_one(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "subset": "hep-go"}, {**ROW, "prompt": "3+3?"}]
    tasks = RewardBench(path=written(tmp_path / "r.jsonl", *rows)).tasks()
    assert [task.id for task in tasks] == ["math-prm/3", "hep-go/3", "math-prm/3#2"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"subset": "maths"}, "subset: 'maths' is none of RewardBench's"),
        ({"chosen": None}, "chosen: expected a string, got nothing"),
        ({"id": []}, "id: expected a string or a whole number, got list"),
    ],
)
def test_a_bad_row_is_named(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW, {**ROW, **change})
    with pytest.raises(DataError) as raised:
        RewardBench(path=path).tasks()
    assert str(raised.value) == f"{path}, line 2: {complaint}"


def test_one_order_only_is_a_coin_that_depends_on_the_task(tmp_path: Path) -> None:
    """The chosen response is always first in the data; shown first, it would be given away."""
    rows = [{**ROW, "id": number} for number in range(200)]
    benchmark = RewardBench(path=written(tmp_path / "r.jsonl", *rows))
    shown = [benchmark.presentations(task, 2, both_orders=False) for task in benchmark.tasks()]
    assert all(len(presented) == 1 for presented in shown)
    assert 70 < sum(presented[0].order == (0, 1) for presented in shown) < 130
    again = [benchmark.presentations(task, 2, both_orders=False) for task in benchmark.tasks()]
    assert again == shown


def test_the_sections_are_the_official_ones() -> None:
    theirs = official()
    assert {name: list(weights) for name, weights in SECTIONS.items()} == theirs["SUBSET_MAPPING"]
    weights = {subset: n for section in SECTIONS.values() for subset, n in section.items()}
    assert weights == theirs["EXAMPLE_COUNTS"]
    assert sum(SIZES.values()) == RewardBench().size == 2985


@pytest.mark.parametrize("seed", range(20))
def test_sections_are_those_of_the_official_code_on_drawn_accuracies(seed: int) -> None:
    draw = random.Random(seed)
    accuracies = {subset: draw.random() for subset in SIZES}
    theirs = official()["calculate_scores_per_section"]
    code = official()
    expected = theirs(code["EXAMPLE_COUNTS"], code["SUBSET_MAPPING"], accuracies)
    assert sections(Means(accuracies, dict.fromkeys(accuracies, 1.0))) == expected


ENDINGS: tuple[Scores, ...] = (A_WINS, A_WINS, B_WINS, TIE, None)


def by_official_rule(records: list[Record], worth: dict[str, float]) -> dict[str, float]:
    """The sections of the official code, from what each judgment is worth."""
    code = official()
    earned: dict[str, list[float]] = {}
    for one in records:
        verdict = None if one.scores is None else one.order[one.scores.index(max(one.scores))]
        tied = one.scores is not None and len(set(one.scores)) == 1
        how = "failed" if one.scores is None else "tied" if tied else "read"
        credit = worth.get(how, float(verdict == one.preferred))
        earned.setdefault(str(one.subset), []).append(credit)
    metrics = {subset: fmean(credits) for subset, credits in earned.items()}
    found: dict[str, float] = code["calculate_scores_per_section"](
        code["EXAMPLE_COUNTS"], code["SUBSET_MAPPING"], metrics
    )
    return found


@pytest.mark.parametrize(
    ("words", "worth"),
    [("", {"failed": 0.5, "tied": 0.5}), (", ties and failures 0", {"failed": 0.0, "tied": 0.0})],
)
def test_scores_of_drawn_judgments_are_those_of_the_official_code(
    words: str, worth: dict[str, float]
) -> None:
    records = drawn_pairs([(subset, 7) for subset in SIZES], seed=1, endings=ENDINGS)
    expected = by_official_rule(records, worth)
    found = evaluate(RewardBench(), records)
    assert value(found, f"overall{words}") == pytest.approx(fmean(expected.values()), abs=1e-12)
    if not words:
        for section, score in expected.items():
            assert value(found, section) == pytest.approx(score, abs=1e-12)


PUBLISHED = {  # Chat, Chat Hard, Safety, Reasoning, overall; of J1, EvalPlanner and others
    "J1-Qwen-32B-MultiTask": (96.4, 89.5, 90.5, 98.1, 93.6),
    "EvalPlanner-Llama-3.1-70B": (97.5, 89.4, 93.0, 95.5, 93.9),
    "EvalPlanner-Llama-3.3-70B": (97.7, 89.5, 91.7, 96.1, 93.8),
    "o1-mini": (94.4, 78.7, 80.9, 94.2, 87.1),
    "DeepSeek-R1": (95.3, 83.6, 86.4, 97.4, 90.6),
}


@pytest.mark.parametrize("row", PUBLISHED.values(), ids=PUBLISHED)
def test_published_averages_are_the_mean_of_sections(row: tuple[float, ...]) -> None:
    *parts, overall = row
    accuracies = {
        subset: score / 100
        for score, weights in zip(parts, SECTIONS.values(), strict=True)
        for subset in weights
    }
    means = Means(accuracies, dict.fromkeys(accuracies, 1.0))
    found = RewardBench().aggregate({HALF: means, STRICT: means})
    rounding = 0.05 + 0.05  # of the sections, and of the overall score
    assert 100 * found["overall"] == pytest.approx(overall, abs=rounding)


def test_math_weighs_as_much_as_code() -> None:
    records = [one for subset in SECTIONS["Reasoning"] for one in
               both("1", A_WINS, B_WINS if subset == "math-prm" else A_WINS, subset)]  # fmt: skip
    assert value(evaluate(RewardBench(), records), "Reasoning") == pytest.approx(0.75)


def test_a_pointwise_judges_ties_are_half_right_as_official_ratings_are() -> None:
    records = [one for subset in SIZES for one in rated("1", [5, 5], subset)]
    found = evaluate(RewardBench(), records)
    assert value(found, "overall") == 0.5
    assert value(found, "overall, ties and failures 0") == 0
    assert value(found, "overall, position-consistent") == 0
    assert found.score("overall, ties and failures excluded") is None


def test_one_order_is_scored_too_but_not_for_consistency() -> None:
    records = [record("1", (1, 0), B_WINS, subset) for subset in SIZES]
    found = evaluate(RewardBench(), records)
    assert value(found, "overall") == 1 and found.score("overall, position-consistent") is None


def test_without_a_section_there_is_no_overall_score() -> None:
    found = evaluate(RewardBench(), both("1", A_WINS, B_WINS, "hep-go"))
    assert found.score("overall") is None and value(found, "Reasoning") == 1
    assert "No overall score: nothing of Chat, Chat Hard, Safety was judged." in found.notes
    assert "1 of 2,985 tasks: not comparable with published figures." in found.notes


def test_a_judge_of_position_only_scores_half_and_is_never_consistent() -> None:
    records = [one for subset in SIZES for n in range(3) for one in
               both(str(n), A_WINS, A_WINS, subset)]  # fmt: skip
    found = evaluate(RewardBench(), records)
    assert value(found, "overall") == 0.5
    assert value(found, "overall, position-consistent") == 0
    assert found.metrics.verdict_flip_rate == 1
    assert len(results_of(records)) == 3 * len(SIZES)
