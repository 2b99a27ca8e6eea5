"""Runs on a benchmark, shown and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from j1sdk_benchmarks.judgebench import JudgeBench
from judgebench_runs import CATEGORIES, fair, first, judging, write_rows
from recorded import both, drawn_pairs, rated
from shell import invoke, refusal

from j1sdk import (
    DataError,
)
from j1sdk.catalogue import catalogue
from j1sdk.evaluation.credits import STRICT, SUM_RULE
from j1sdk.evaluation.entries import ahead, read_entries
from j1sdk.evaluation.evaluations import (
    evaluate_to_folder,
)
from j1sdk.evaluation.records import results_of
from j1sdk.judging import judge_benchmark
from j1sdk.judgments import Transcribed
from j1sdk.report import Table, Transcripts, render
from j1sdk.report.benchmark_page import comparison_report
from j1sdk.report.disagreements import MOST_ROWS, disputed


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path)


@pytest.fixture
def runs(rows: Path, tmp_path: Path) -> list[Path]:
    """A fair judge's folder and one of a judge of the first, both with transcripts."""
    judge_benchmark(judging(fair), JudgeBench(path=rows), tmp_path / "fair")
    judge_benchmark(judging(first), JudgeBench(path=rows), tmp_path / "first")
    return [tmp_path / "first", tmp_path / "fair"]


def blocks(folders: list[Path]) -> dict[str, Any]:
    return {one.title: one for one in comparison_report(read_entries(folders, catalogue())).blocks}


def test_runs_are_compared_in_tables(runs: list[Path]) -> None:
    found = blocks(runs)
    scores = {row[0]: row[1:-1] for row in found["Scores"].rows}
    assert found["Scores"].header == ("", "first", "fair", "n")
    assert {row[-1] for row in found["Scores"].rows if row[0] == SUM_RULE} == {"6"}
    assert next(iter(scores)) == SUM_RULE, "the official score comes first"
    assert [rate.value for rate in scores[SUM_RULE]] == [0, 1]
    differences = {row[0]: row[1] for row in found["Differences from first"].rows}
    assert differences[SUM_RULE].value == 1 and differences[STRICT].value == 0.5
    assert differences["tasks for the other alone"] == 6
    assert differences["p of McNemar's exact test"] == pytest.approx(2 / 64)
    flips = {row[0]: row[3] for row in found["Agreement, flips, ties and failures"].rows}
    assert (flips["first, strict"].value, flips["fair, strict"].value) == (1, 0)
    assert {row[0] for row in found["Accuracy by subset"].rows} == {"Math", "Coding"}


def test_runs_are_compared_in_drawings(runs: list[Path]) -> None:
    found = blocks(runs)
    bias = {name: {label: rate.value for label, rate in bars.items()}
            for name, bars in found["Position bias"].groups.items()}  # fmt: skip
    assert bias == {
        "first": {"accuracy, order 0,1": 0.5, "accuracy, order 1,0": 0.5,
                  "position-consistent": 0, "verdict flips": 1},
        "fair": {"accuracy, order 0,1": 1, "accuracy, order 1,0": 1,
                 "position-consistent": 1, "verdict flips": 0},
    }  # fmt: skip
    gaps_ = found["Score of the preferred response less the other's"].series
    assert gaps_ == {"first": [1, -1, -1, 1] * 3, "fair": [1] * 12}


def test_disagreements_are_there_to_read(runs: list[Path]) -> None:
    found = blocks(runs)
    rows_ = found["Tasks on which the runs differ"].rows
    assert rows_[0][:2] == ("pair-0", "Math") and len(rows_) == 6
    assert rows_[0][2:] == ("right, wrong", "right, right")
    told = found["Tasks on which the runs differ, word for word"]
    assert isinstance(told, Transcripts) and len(told.pairs) == 6
    pair = told.pairs[0]
    assert (pair.left_label, pair.right_label) == ("fair", "first")
    assert [side.mark for side in pair.sides] == ["correct", "wrong"]
    assert pair.outcome == "right by fair, not by first"
    html = render(comparison_report(read_entries(runs, catalogue())))
    assert "Question 0?" in html and html.count("<svg") == 2 * 2, "each for a desk and a phone"


def test_a_single_run_shows_what_went_wrong(runs: list[Path]) -> None:
    found = blocks(runs[:1])
    assert "Differences from first" not in found
    assert len(found["Tasks that went wrong"].rows) == 6
    assert found["Tasks that went wrong, word for word"].pairs[0].outcome == "Verdict flips"
    right = blocks(runs[1:])
    assert not [title for title in right if title.startswith("Tasks")]


def test_any_number_of_runs_fits_and_records_need_no_transcripts(tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in range(4)]
    for seed, folder in enumerate(folders):
        evaluate_to_folder(JudgeBench(), drawn_pairs([("Math", 60)], seed), folder)
    found = blocks(folders)
    assert len(found["Differences from 0"].header) == 4
    table = found["Tasks on which the runs differ"]
    every = disputed(read_entries(folders, catalogue()))
    assert isinstance(table, Table) and len(table.rows) <= MOST_ROWS < len(every)
    assert table.note.startswith(f"{len(table.rows)} of {len(every)}, spread evenly")
    assert not any("word for word" in title for title in found)


def test_pointwise_runs_have_no_position_bias(tmp_path: Path) -> None:
    records = [one for n in range(5) for one in rated(str(n), [n, 2], "Math")]
    evaluate_to_folder(JudgeBench(), records, tmp_path / "points")
    found = blocks([tmp_path / "points"])
    assert "Position bias" not in found
    series = found["Score of the preferred response less the other's"].series
    assert series == {"points": [-2, -1, 0, 1, 2]}


def test_a_failed_judgment_has_no_gap() -> None:
    (result,) = results_of(both("1", (4.0, 1.0), None, preferred=1))
    assert ahead(result) == [-3.0]
    (result,) = results_of(rated("1", [4.0, None]))
    assert ahead(result) == []


def test_runs_of_two_benchmarks_are_not_compared(tmp_path: Path) -> None:
    evaluate_to_folder(JudgeBench(), drawn_pairs(CATEGORIES, 0), tmp_path / "a")
    evaluate_to_folder(JudgeBench(responses="claude"), drawn_pairs(CATEGORIES, 0), tmp_path / "b")
    with pytest.raises(DataError, match=r"b is a run of .*claude.* and .*a of .*gpt"):
        read_entries([tmp_path / "a", tmp_path / "b"], catalogue())


def test_runs_in_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "run", tmp_path / "b" / "run"]
    for seed, folder in enumerate(folders):
        evaluate_to_folder(JudgeBench(limit=seed + 1), drawn_pairs(CATEGORIES, seed), folder)
    assert [entry.name for entry in read_entries(folders, catalogue())] == list(map(str, folders))


# The commands


def test_runs_are_compared_from_the_command_line(runs: list[Path], tmp_path: Path) -> None:
    result = invoke("compare", *runs, "--out", tmp_path / "compared")
    assert result.exit_code == 0, result.output
    assert "Differences from first" in result.output and "McNemar" in result.output
    assert (tmp_path / "compared" / "report.html").is_file()


def test_one_run_is_nothing_to_compare(runs: list[Path], tmp_path: Path) -> None:
    assert "give two folders or more" in refusal("compare", runs[0], "--out", tmp_path)
    assert "holds no evaluation" in refusal("compare", runs[0], tmp_path, "--out", tmp_path)


def test_judgments_of_the_folder_are_whole(runs: list[Path]) -> None:
    found = Transcribed(runs[0] / "judgments.jsonl")
    assert len(found) == 12 and all(one.transcript for one in found.values())
