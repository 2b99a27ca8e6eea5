"""Benchmarks in the data: what counts as shared, in which files, and what is only alike."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_data.quality.ngrams import Vocabulary
from j1sdk_data.quality.overlap import Overlap, find_overlap, members, read_records, strings
from j1sdk_data.quality.rows import Row

from j1sdk.errors import DataError
from j1sdk.types import JudgmentTask

SHARED = Path(__file__).parents[3] / "shared" / "data"
GSM8K = SHARED / "grade-school-math/grade_school_math/data"
LONG = "A farmer has seven hens and each of them lays two eggs on every day of May but one."


def row(prompt: str, chosen: str = "yes", rejected: str = "no", name: str = "a") -> Row:
    return Row(name, JudgmentTask.from_pair(prompt, chosen, rejected, id=name))


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark.jsonl"
    records = [{"question": LONG, "answer": "4 eggs"}, {"question": "What is 2+2?", "label": 1}]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def found(path: Path, *rows: Row, n: int = 13) -> Overlap:
    return find_overlap(rows, {"it": path}, n)["it"]


@pytest.mark.parametrize(
    "rows",
    [
        row(LONG),
        row(f"Solve this! {LONG.upper().replace(' ', '  ')} Thanks."),
        row("p", chosen=LONG.replace(" and", ", and")),
        row("p", rejected=f"so {LONG}"),
        row(" ".join(LONG.split()[:13])),
    ],
)
def test_a_run_of_words_is_shared_wherever_it_is(benchmark: Path, rows: Row) -> None:
    overlap = found(benchmark, rows)
    assert (overlap.records, overlap.found, overlap.rows) == (2, 1, 1)
    assert overlap.examples[0].row == "a"
    assert overlap.examples[0].words == " ".join(LONG.lower().split()[:13])


@pytest.mark.parametrize(
    "rows",
    [
        row(" ".join(LONG.split()[:12])),
        row(" ".join(reversed(LONG.split()))),
        row("p", "4 eggs"),  # a short text is compared with prompts alone
        row("What is 2+2? Quickly."),
    ],
)
def test_less_than_that_is_not(benchmark: Path, rows: Row) -> None:
    assert found(benchmark, rows) == Overlap(records=2, found=0, rows=0)


def test_a_short_prompt_is_compared_as_a_whole(benchmark: Path) -> None:
    overlap = found(benchmark, row("what is 2 + 2"))
    assert (overlap.found, overlap.rows) == (1, 1)
    assert overlap.examples[0].words == "what is 2 2"


def test_rows_and_records_are_counted_once(benchmark: Path) -> None:
    rows = [row(LONG, LONG, LONG, name=str(number)) for number in range(9)]
    overlap = found(benchmark, *rows, row("other"))
    assert (overlap.found, overlap.rows) == (1, 9)
    assert [one.row for one in overlap.examples] == ["0", "1", "2", "3", "4"]


def test_fewer_words_find_more(benchmark: Path) -> None:
    part = row("a farmer has seven cows")
    assert found(benchmark, part, n=4).rows == 1
    assert found(benchmark, part, n=5).rows == 0


def test_every_benchmark_is_told_by_its_name(benchmark: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("One line.\n\nWhat is 3+3?\n", encoding="utf-8")
    told: list[tuple[int, int]] = []
    both = {"first": benchmark, "second": other}
    overlap = find_overlap([row("What is 3+3?")], both, 13, lambda *step: told.append(step))
    assert (overlap["first"].rows, overlap["second"].rows) == (0, 1)
    assert (overlap["second"].records, told[-1]) == (2, (1, 1))


@pytest.mark.parametrize(
    ("value", "records"),
    [
        ([{"a": 1}, "b"], [{"a": 1}, "b"]),
        ({"x": [1, 2], "y": [3], "z": "no"}, [1, 2, 3]),
        ({"x": "one"}, [{"x": "one"}]),
        ("text", ["text"]),
    ],
)
def test_records_are_the_members_of_arrays(value: Any, records: list[Any]) -> None:
    assert list(members(value)) == records


def test_all_kinds_of_files_are_read(tmp_path: Path) -> None:
    record = {"a": ["x", {"b": "y"}], "c": 1, "d": "  "}
    for name, content in (
        ("one.json", json.dumps([record]).encode()),
        ("one.jsonl", json.dumps(record).encode()),
        ("one.jsonl.gz", gzip.compress(json.dumps(record).encode())),
    ):
        (tmp_path / name).write_bytes(content)
        (only,) = read_records(tmp_path / name)
        assert list(strings(only)) == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("b.jsonl", b"{", r"b\.jsonl, line 1: not JSON"),
        ("b.json", b"{", r"b\.json is no JSON"),
        ("b.json", b"[" * 200_000, r"b\.json is no JSON"),
        ("b.txt", b"\xff", r"b\.txt is no JSON, or no UTF-8"),
        ("b.txt", b" \n", r"b\.txt: there is no text in this benchmark"),
        ("b.json", b"[]", r"b\.json: there is no text in this benchmark"),
    ],
)
def test_a_benchmark_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, complaint: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        found(tmp_path / name, row("p"))
    with pytest.raises(DataError, match=r"cannot read .*: No such file"):
        found(tmp_path / "none.txt", row("p"))


@given(st.lists(st.sampled_from("abc"), max_size=12), st.integers(2, 5))
def test_grams_are_equal_where_the_words_are(letters: list[str], n: int) -> None:
    vocabulary = Vocabulary()
    grams = vocabulary.grams(" ".join(letters), n, whole=False).tolist()
    runs = [tuple(letters[start : start + n]) for start in range(len(letters) - n + 1)]
    assert len(grams) == len(runs)
    assert len(set(grams)) == len(set(runs))
    again = vocabulary.grams(" ".join(letters).upper(), n, whole=False).tolist()
    assert again == grams
    whole = vocabulary.grams(" ".join(letters), 20, whole=True).tolist()
    assert len(whole) == bool(letters)
    assert len(letters) == n or not set(whole) & set(grams)


@pytest.mark.skipif(not GSM8K.is_dir(), reason="shared data not found at ../shared/data")
def test_gsm8ks_solutions_are_to_its_test_questions_and_not_its_training_ones() -> None:
    with (GSM8K / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines]
    rows = [row(question, name=str(number)) for number, question in enumerate(questions)]
    files = {"test": GSM8K / "test.jsonl", "train": GSM8K / "train.jsonl"}
    overlap = find_overlap(rows, files)
    assert (overlap["test"].rows, overlap["test"].found) == (1319, 1319)
    assert overlap["train"].records == 7473 and overlap["train"].rows < 40
