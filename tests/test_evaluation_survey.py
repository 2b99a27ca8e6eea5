"""What recorded judgments lack is said, refused or left out: it never moves a score in silence."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from j1sdk_benchmarks.judgebench import JudgeBench
from j1sdk_benchmarks.rewardbench import RewardBench
from recorded import A_WINS, B_WINS, both, rated, record

from j1sdk import DataError
from j1sdk.evaluation.benchmarks.pairs import Pairs
from j1sdk.evaluation.credits import CONSISTENT, STRICT
from j1sdk.evaluation.evaluations import Evaluation, evaluate
from j1sdk.evaluation.records import results_of
from j1sdk.judgments import Record, read_records

LINE: dict[str, Any] = {
    "id": "1", "order": [0, 1], "preferred": 0, "scores": [1, 0], "status": "ok",
}  # fmt: skip
RIGHT = both("right", A_WINS, B_WINS, "s")


def read(tmp_path: Path, *lines: object) -> list[Record]:
    path = tmp_path / "judgments.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return list(read_records(path))


def noted(*records: Record) -> Evaluation:
    return evaluate(Pairs(), records)


def size(found: Evaluation, name: str) -> int:
    score = found.score(name)
    assert score is not None
    return score.n


@pytest.mark.parametrize(
    ("key", "misspelt"), [("preferred", "prefered"), ("scores", "score"), ("subset", "subsett")]
)
def test_a_misspelt_key_is_named(key: str, misspelt: str, tmp_path: Path) -> None:
    line = {**LINE, "subset": "s"}
    line[misspelt] = line.pop(key)
    complaint = rf"line 1: unknown key '{misspelt}'; did you mean '{key}'"
    with pytest.raises(DataError, match=complaint):
        read(tmp_path, line)
    assert read(tmp_path, {**LINE, "subset": "s", misspelt: 1}), "beside the right one it is extra"


@pytest.mark.parametrize("preferred", [True, 10_000_000, "0", -1, 0.0])
def test_what_is_no_index_is_refused(preferred: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: preferred"):
        read(tmp_path, {**LINE, "preferred": preferred})


def test_an_index_beyond_all_sense_takes_no_time(tmp_path: Path) -> None:
    begun = time.process_time()
    with pytest.raises(DataError, match=r"order\.1: Input should be less than 1000"):
        read(tmp_path, {**LINE, "order": [0, 10_000_000]})
    assert len(results_of(read(tmp_path, {**LINE, "order": [0, 999]}))) == 1
    assert time.process_time() - begun < 60, "it took minutes"


def test_an_index_of_no_response_that_was_shown_is_refused() -> None:
    """As where they are counted from 1."""
    told = [record("7", (0, 1), A_WINS, preferred=2), record("7", (1, 0), A_WINS, preferred=2)]
    with pytest.raises(DataError, match=r"7: preferred: 2 was not judged, only 0, 1 were.*from 0"):
        noted(*told)


def test_tasks_without_gold_are_left_out_and_counted() -> None:
    blank = [record("2", order, A_WINS, "s", preferred=None) for order in ((0, 1), (1, 0))]
    found = noted(*RIGHT, *blank)
    assert (found.metrics.n, found.metrics.accuracy, size(found, STRICT)) == (1, 1, 1)
    assert "1 tasks have no `preferred`, and are left out." in found.notes
    with pytest.raises(DataError, match="no judgment says which response is preferred"):
        noted(*blank)


def test_a_gold_tie_is_left_out_and_counted() -> None:
    tie = [record("2", order, A_WINS, "s", preferred=(0, 1)) for order in ((0, 1), (1, 0))]
    found = noted(*RIGHT, *tie)
    assert (found.metrics.n, found.metrics.accuracy, size(found, STRICT)) == (1, 1, 1)
    assert "1 tasks are ties by their gold label, and are left out." in found.notes


def test_any_of_several_right_answers_is_right() -> None:
    found = noted(*rated("1", [5, 7, 6], "s", preferred=(1, 2)))
    assert (found.metrics.accuracy, found.notes) == (1, ())


def test_a_missing_order_is_noted_and_n_is_beside_each_score() -> None:
    found = noted(*RIGHT, *both("2", A_WINS, B_WINS, "s")[:1])
    note = "1 of 2 tasks were judged in one order only: their position bias does not cancel."
    assert note in found.notes
    assert (size(found, STRICT), size(found, CONSISTENT)) == (2, 1)


def test_subsets_that_are_missing_or_misspelt_are_noted() -> None:
    found = noted(*RIGHT, *both("2", A_WINS, B_WINS), *both("3", A_WINS, B_WINS, "S"))
    assert found.notes == (
        "1 of 3 tasks have no subset.", "Subsets that differ in case only: s, S.",
    )  # fmt: skip
    (size_note, subset_note) = evaluate(JudgeBench(), both("1", A_WINS, B_WINS, "math")).notes
    assert size_note.startswith("1 of 350 tasks")
    assert subset_note == "judgebench has no subset 'math'; did you mean 'Math'?"


def test_one_number_is_one_id_and_a_second_judgment_is_noted(tmp_path: Path) -> None:
    found = noted(*read(tmp_path, {**LINE, "id": 1}, {**LINE, "id": 1.0}, {**LINE, "id": "1"}))
    assert found.metrics.n == 1
    repeated = "2 judgments are of a task and order that were judged before: their mean scores"
    assert any(note.startswith(repeated) for note in found.notes)
    with pytest.raises(DataError, match="id: Input should be a valid string"):
        read(tmp_path, {**LINE, "id": True})


def test_what_was_asked_again_replaces_the_engines_failure(tmp_path: Path) -> None:
    failed = {**LINE, "scores": None, "status": "engine_error"}
    found = noted(*read(tmp_path, failed, LINE))
    assert found.metrics.statuses["engine_error"] == 0 and found.metrics.accuracy == 1
    dead = noted(*read(tmp_path, failed))
    assert dead.scores == () and dead.metrics.accuracy is None and dead.metrics.intervals == {}


def reward_bench(path: Path, ids: range) -> None:
    rows = [{"prompt": f"p{n}", "chosen": "a", "rejected": "b", "subset": "hep-cpp", "id": n}
            for n in ids]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_of_two_splits_in_a_folder_the_official_one_is_read(tmp_path: Path) -> None:
    reward_bench(tmp_path / "data" / "raw-00000-of-00001.jsonl", range(5))
    reward_bench(tmp_path / "data" / "filtered-00000-of-00001.jsonl", range(3))
    assert len(RewardBench(path=tmp_path).tasks()) == 3


def test_outputs_beside_the_data_are_not_read_as_tasks(tmp_path: Path) -> None:
    reward_bench(tmp_path / "data" / "pairs.jsonl", range(3))
    reward_bench(tmp_path / "outputs" / "of-a-judge.jsonl", range(3))
    complaint = r"hep-cpp/0 is in .*pairs\.jsonl and again in .*of-a-judge\.jsonl: give one of"
    with pytest.raises(DataError, match=complaint):
        RewardBench(path=tmp_path).tasks()
    assert len(RewardBench(path=tmp_path / "data").tasks()) == 3
