"""Recorded judgments: what is accepted, what is refused and where, and that nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import A_WINS, B_WINS, both, rated, record

from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Scripted
from j1sdk.errors import DataError
from j1sdk.evaluation.metrics import measure
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import (
    Record,
    read_records,
    records_of,
    thought_length,
    write_records,
)

LINE: dict[str, Any] = {
    "id": "17", "subset": "math", "order": [1, 0], "preferred": 0, "scores": [0, 1], "status": "ok",
}  # fmt: skip


def read(tmp_path: Path, *lines: object) -> list[Record]:
    path = tmp_path / "judgments.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return list(read_records(path))


def test_a_line_is_one_judgment(tmp_path: Path) -> None:
    (found,) = read(tmp_path, LINE)
    assert (found.id, found.subset, found.order, found.scores) == ("17", "math", (1, 0), (0.0, 1.0))
    (result,) = results_of([found])
    assert result.task.preferred == 0 and result.judgments[0].verdict() == 0


def test_further_fields_are_read_or_left_alone(tmp_path: Path) -> None:
    (found,) = read(tmp_path, {**LINE, "completion_tokens": 9, "thought_length": 3, "model": "x"})
    assert (found.completion_tokens, found.thought_length) == (9, 3)
    assert results_of([found])[0].judgments[0].usage.completion_tokens == 9


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": "fine"}, "status: Input should be 'ok', 'unparseable'"),
        ({"scores": None}, "scores are null where the status is not ok, and only there"),
        ({"status": "truncated"}, "scores are null where the status is not ok"),
        ({"scores": [1]}, "1 scores for 2 responses"),
        ({"scores": [1, float("nan")]}, "scores.1: Input should be a finite number"),
        ({"scores": ["a", 0]}, "scores.0: Input should be a valid number"),
        ({"order": [0, 0]}, r"order \[0, 0\] shows a response twice"),
        ({"order": []}, "order: .* at least 1 item"),
        ({"order": [0, 1, 2]}, "order: .* at most 2 items"),
        ({"order": [0, -1]}, "order.1: .* greater than or equal to 0"),
        ({"preferred": "0"}, "preferred"),
        ({"id": ""}, "id: it is empty"),
        ({"id": None}, "id: Input should be a valid string"),
    ],
)
def test_a_bad_line_is_named_with_its_field(
    change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"judgments\.jsonl, line 2: .*{complaint}"):
        read(tmp_path, LINE, {**LINE, **change})


@pytest.mark.parametrize("missing", ["id", "order", "scores", "status"])
def test_a_missing_field_is_named(missing: str, tmp_path: Path) -> None:
    line = {key: value for key, value in LINE.items() if key != missing}
    with pytest.raises(DataError, match=f"line 1: {missing}: Field required"):
        read(tmp_path, line)


def test_no_judgments_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no judgments"):
        read(tmp_path)
    with pytest.raises(DataError, match="cannot read"):
        list(read_records(tmp_path / "absent.jsonl"))


def test_judgments_of_one_subset_and_id_are_of_one_task() -> None:
    lines = [*both("1", A_WINS, B_WINS, "x"), *both("1", B_WINS, A_WINS, "y")]
    first, second = results_of(lines)
    assert [len(first.judgments), len(second.judgments)] == [2, 2]
    assert (first.task.subset, first.preferred, second.preferred) == ("x", 0, 1)


def test_preferred_is_of_the_task_and_not_of_the_order() -> None:
    told = [record("1", (0, 1), A_WINS, preferred=0), record("1", (1, 0), A_WINS, preferred=1)]
    with pytest.raises(DataError, match=r"1: preferred: \[0\] in one record and \[1\] in another"):
        results_of(told)


def test_several_may_be_right() -> None:
    (result,) = results_of(rated("1", [3, 3, 1], preferred=(0, 1)))
    assert result.task.golds == (0, 1) and len(result.task.responses) == 3
    assert {one.preferred for one in records_of([result])} == {(0, 1)}
    pairs = [record("1", (0, 3), A_WINS, preferred=0), record("1", (1, 4), A_WINS, preferred=1)]
    assert results_of(pairs)[0].task.golds == (0, 1)


def test_without_gold_there_is_still_something_to_measure() -> None:
    lines = [record("1", order, A_WINS, preferred=None) for order in ((0, 1), (1, 0))]
    measured = measure(results_of(lines))
    assert measured.accuracy is None and measured.verdict_flip_rate == 1


def test_files_say_what_the_results_said(tmp_path: Path) -> None:
    answers = ["<think>so</think><answer>[[A]]</answer>", "no idea"]
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=tuple(answers)))
    results = judge.judge([JudgmentTask.from_pair("q", "x", "y", subset="s", id="1")])
    lines = list(records_of(results, judge.format.sections))
    write_records(tmp_path / "r.jsonl", lines)
    again = list(read_records(tmp_path / "r.jsonl"))
    assert again == lines and [one.thought_length for one in lines] == [17, 7]
    assert results_of(again)[0].scores == results[0].scores
    assert measure(results_of(again)) == measure(results)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("<think>abc</think><answer>[[A]]</answer>", 18),
        ("<think>abc", 10),
        ("", 0),
        ("<answer>x</answer>, no, <answer>y</answer>", 24),
    ],
)
def test_a_thought_is_what_stands_before_the_answer(text: str, length: int) -> None:
    assert thought_length(text, PairwiseVerdict().sections) == length


@pytest.mark.slow
def test_memory_is_for_a_million_judgments(tmp_path: Path) -> None:
    """Scored and drawn, each further judgment takes less than 2 KB, which is 2 GB for a million."""
    peaks = {count: peak_of(tmp_path, count) for count in (5_000, 45_000)}
    assert (peaks[45_000] - peaks[5_000]) / 40_000 < 2_000, peaks


def peak_of(folder: Path, count: int) -> int:
    """The most memory in bytes of `j1 eval --judgments --out` of so many."""
    lines = (
        json.dumps(
            LINE | {"id": f"task-{n // 2}", "order": [n % 2, 1 - n % 2], "scores": [0, n % 3]}
        )
        for n in range(count)
    )
    (file := folder / f"{count}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = ["eval", "--benchmark", "pairs", "--judgments", str(file), "--out", f"{file}.out"]
    code = f"from j1sdk.cli import j1; j1({words!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and Path(f"{file}.out", "report.html").is_file()
    return usage.ru_maxrss * 1024
