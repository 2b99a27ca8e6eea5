"""JudgeBench: its records, its sum rule by hand, and published figures as arithmetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from j1sdk_benchmarks.judgebench import JudgeBench
from recorded import A_WINS, B_WINS, TIE, Scores, both, rated

from j1sdk.errors import DataError
from j1sdk.evaluation.credits import CONSISTENT, STRICT, SUM_RULE
from j1sdk.evaluation.evaluations import Evaluation, evaluate
from j1sdk.judgments import Record
from j1sdk.testing import BenchmarkContract

ROW: dict[str, Any] = {
    "pair_id": "b2e5", "original_id": "1", "source": "mmlu-pro-law", "question": "Which?",
    "response_model": "gpt-4o-2024-05-13", "response_A": "(A)", "response_B": "(B)", "label": "B>A",
}  # fmt: skip
CLAUDE = {**ROW, "pair_id": "c3", "response_model": "claude-3-5-sonnet-20240620", "label": "A>B"}
SOURCES = {
    "mmlu-pro-law": "Knowledge", "livebench-reasoning": "Reasoning", "livebench-math": "Math",
    "livecodebench": "Coding",
}  # fmt: skip


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
        rows = [{**ROW, "source": source, "pair_id": source} for source in SOURCES]
        self.component = JudgeBench(path=written(tmp_path / "rows.jsonl", *rows))


def test_a_row_is_a_pair_in_its_own_order(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW, CLAUDE)
    (task,) = JudgeBench(path=path).tasks()
    assert (task.responses, task.preferred, task.id) == (("(A)", "(B)"), 1, "b2e5")
    (task,) = JudgeBench(path=path, responses="claude").tasks()
    assert (task.preferred, task.id) == (0, "c3")


@pytest.mark.parametrize(("source", "category"), SOURCES.items())
def test_a_source_has_its_category(source: str, category: str, tmp_path: Path) -> None:
    (task,) = JudgeBench(path=written(tmp_path / "r.jsonl", {**ROW, "source": source})).tasks()
    assert task.subset == category


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": "A=B"}, "label: expected A>B or B>A, got 'A=B'"),
        ({"source": "arc"}, "source: 'arc' begins with none of mmlu-pro, livebench-reasoning"),
        ({"response_B": None}, "response_B: expected a string, got nothing"),
        ({"response_model": 4}, "response_model: expected a string, got int"),
    ],
)
def test_a_bad_row_is_named(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", ROW, {**ROW, **change})
    with pytest.raises(DataError) as raised:
        JudgeBench(path=path).tasks()
    assert str(raised.value).startswith(f"{path}, line 2: {complaint}")


def test_a_file_of_the_other_split_holds_no_task(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no task of judgebench"):
        JudgeBench(path=written(tmp_path / "r.jsonl", CLAUDE)).tasks()


@pytest.mark.parametrize(
    ("first", "second", "right", "consistent"),
    [
        (A_WINS, B_WINS, 1, 1),
        (A_WINS, TIE, 1, 0),
        (TIE, B_WINS, 1, 0),
        (A_WINS, None, 1, 0),
        (None, B_WINS, 1, 0),
        (A_WINS, A_WINS, 0, 0),
        (B_WINS, B_WINS, 0, 0),
        (TIE, TIE, 0, 0),
        (None, None, 0, 0),
        (TIE, None, 0, 0),
        (B_WINS, TIE, 0, 0),
        (B_WINS, None, 0, 0),
        (B_WINS, A_WINS, 0, 0),
    ],
)
def test_a_pair_is_right_if_more_orders_are_right_than_wrong(
    first: Scores, second: Scores, right: int, consistent: int
) -> None:
    found = evaluate(JudgeBench(), both("1", first, second, "Math"))
    assert (value(found, SUM_RULE), value(found, CONSISTENT)) == (right, consistent)
    flipped = evaluate(JudgeBench(), both("1", second, first, "Math", preferred=1))
    assert (value(flipped, SUM_RULE), value(flipped, CONSISTENT)) == (right, consistent)


@pytest.mark.parametrize(("ratings", "right"), [([2, 1], 1), ([1, 1], 0), ([1, 2], 0)])
def test_a_reward_models_tie_contradicts_itself(ratings: list[float], right: int) -> None:
    assert value(evaluate(JudgeBench(), rated("1", ratings, "Math")), SUM_RULE) == right


COUNTS = {"Knowledge": 154, "Reasoning": 98, "Math": 56, "Coding": 42}


def of_counts(right: dict[str, int]) -> list[Record]:
    """The gpt split with so many pairs right in each category, and the others wrong."""
    return [
        one
        for category, count in COUNTS.items()
        for number in range(count)
        for one in both(
            f"{category}-{number}",
            A_WINS if number < right[category] else B_WINS,
            B_WINS if number < right[category] else A_WINS,
            category,
        )
    ]


def test_published_figures_of_o1_mini_come_out_of_its_counts() -> None:
    """By category, and 65.71 over pairs, which is not the 70.35 over categories."""
    found = evaluate(
        JudgeBench(), of_counts({"Knowledge": 90, "Reasoning": 61, "Math": 46, "Coding": 33})
    )
    categories = [round(100 * value(found, name), 2) for name in COUNTS]
    assert categories == [58.44, 62.24, 82.14, 78.57]
    assert round(100 * value(found, SUM_RULE), 2) == 65.71
    assert round(100 * value(found, f"{SUM_RULE}, mean of categories"), 2) == 70.35
    assert JudgeBench().headline == SUM_RULE and found.notes == ()


def test_every_scores_count_is_that_of_its_pairs() -> None:
    found = evaluate(JudgeBench(), of_counts(dict.fromkeys(COUNTS, 30)))
    sizes = {score.name: score.n for score in found.scores}
    assert {name: sizes[name] for name in COUNTS} == COUNTS
    assert sizes[SUM_RULE] == sizes[CONSISTENT] == 350


def test_a_judge_that_says_a_is_right_as_often_as_the_label_is() -> None:
    """The gpt split has 193 labels A>B: always A scores 55.1% in one order, and nothing in two."""
    labels = [0] * 193 + [1] * 157
    records = [one for number, label in enumerate(labels)
               for one in both(str(number), A_WINS, A_WINS, "Math", preferred=label)]  # fmt: skip
    found = evaluate(JudgeBench(), records)
    assert round(100 * value(found, "accuracy in order 0,1"), 1) == 55.1
    assert value(found, SUM_RULE) == value(found, CONSISTENT) == 0
    assert value(found, STRICT) == 0.5
