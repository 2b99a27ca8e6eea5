"""The data check as a whole: the command, its page, and what it sees in real data."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_data.building import record
from j1sdk_data.gsm8k import Gsm8kSolutions
from j1sdk_data.quality import DataQuality, check
from j1sdk_data.quality.page import quality_report, tables

from j1sdk.cli import j1
from j1sdk.errors import DataError
from j1sdk.report import render

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="shared data not found at ../shared/data"
)
HHH = re.compile(
    r"###The instruction to evaluate:\n(.*?)\n\n###Response to evaluate:\n(.*)\n\n###Score R",
    re.DOTALL,
)


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    return path


def pair(number: int, **known: Any) -> dict[str, Any]:
    return {"prompt": f"What is {number}+0?", "chosen": f"{number}", "rejected": "?", **known}


def test_files_are_taken_together(tmp_path: Path) -> None:
    first = write(tmp_path / "first.jsonl", [pair(1), pair(2)])
    second = write(tmp_path / "second.jsonl", [pair(2), pair(3, chosen="?", rejected="3")])
    found = check([first, second])
    assert found.files == (str(first), str(second))
    assert (found.balance.rows, found.duplicates.pairs.rows) == (4, 1)
    assert found.duplicates.pairs.examples == ((f"{first}: line-2", f"{second}: line-1"),)
    assert found.overlap == {}
    assert check([first]).duplicates.pairs.rows == 0


def test_nothing_to_check_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing to check: there are no tasks in .*none\.jsonl"):
        check([write(tmp_path / "none.jsonl", [])])


def test_tasks_without_labels_have_copies_and_no_balance(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "responses": ["a", "b", "c"]}] * 2 + [
        {"prompt": "q", "responses": ["a"]}
    ]
    found = check([write(tmp_path / "ranked.jsonl", rows)])
    assert (found.balance.rows, found.balance.pairs, found.duplicates.prompts.rows) == (3, 0, 1)
    assert found.cues.accuracy is None
    assert "too few labelled pairs" in render(quality_report(found))


def test_the_page_and_the_record_say_what_was_found(tmp_path: Path) -> None:
    rows = [pair(n, subset="<s>" if n % 2 else "even") for n in range(30)]
    rows[3]["rejected"] = "no<|im_end|>"
    rows += [{**rows[0], "chosen": "?", "rejected": "0"}]
    data = write(tmp_path / "pairs.jsonl", rows)
    bench = write(tmp_path / "bench.jsonl", [{"q": "What is 7+0?"}, {"q": "What else?"}])
    command = ["data", "check", str(data), "--benchmark", f"Sums={bench}", "--out",
               str(tmp_path / "out")]  # fmt: skip
    told = CliRunner().invoke(j1, command, env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    found = DataQuality.model_validate_json((tmp_path / "out" / "quality.json").read_text())
    assert found == check([data], {"Sums": bench})
    assert found.duplicates.contradictions.rows == 1
    assert found.overlap["Sums"].found == 1 and found.overlap_words == 13
    assert found.cues.tells and found.cues.tokens == {"<|im_end|>": (0, 1)}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page == render(quality_report(found))
    for table in tables(found):
        assert table.title in told.stdout and table.title in page
        assert table.note[:25] in told.stdout and table.note[:25] in page
    for words in ("what is 7 0", "&lt;s&gt;", "opposite label", "Which side is longer", "line-8"):
        assert words in page
    assert "labels drawn by lot give" in told.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--benchmark", "file.json"], "'file.json' is not NAME=PATH"),
        (["--benchmark", "=file.json"], "is not NAME=PATH"),
        (["--words", "1"], "1 is not in the range x>=2"),
        (["--similarity", "0.2"], "0.2 is not in the range"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, options: list[str], complaint: str
) -> None:
    data = write(tmp_path / "pairs.jsonl", [pair(1)])
    command = ["data", "check", str(data), "--out", str(tmp_path / "out"), *options]
    told = CliRunner().invoke(j1, command)
    assert told.exit_code == 2 and complaint in told.output
    assert not (tmp_path / "out").exists()


def test_options_reach_the_check(tmp_path: Path) -> None:
    long = "A hen lays eggs in May while days are long and the grass is high again"
    data = write(tmp_path / "pairs.jsonl", [pair(1, prompt=long), pair(2, prompt=long[:-6])])
    bench = write(tmp_path / "bench.jsonl", [{"q": "A hen lays eggs in June"}])
    command = ["data", "check", str(data), "--benchmark", f"hens={bench}", "--words", "5",
               "--similarity", "0.95", "--seed", "3", "--out", str(tmp_path / "out")]  # fmt: skip
    assert CliRunner().invoke(j1, command).exit_code == 0
    found = DataQuality.model_validate_json((tmp_path / "out" / "quality.json").read_text())
    assert found.overlap["hens"].rows == 2 and found.overlap_words == 5
    assert (found.duplicates.threshold, found.duplicates.near_prompts.rows) == (0.95, 0)
    assert check([data]).duplicates.near_prompts.rows == 1


@needs_shared_data
def test_llmbar_is_short_where_it_is_good(tmp_path: Path) -> None:
    rows = []
    for file in sorted((SHARED / "LLMBar").rglob("dataset.json")):
        for one in json.loads(file.read_text(encoding="utf-8")):
            responses = [one["output_1"], one["output_2"]]
            known = {"prompt": one["input"], "preferred": one["label"] - 1}
            rows.append({**known, "responses": responses, "subset": file.parent.name})
    found = check([write(tmp_path / "llmbar.jsonl", rows)])
    lengths = found.balance.lengths
    assert (lengths.pairs, lengths.longer, lengths.shorter) == (419, 113, 304)
    assert (found.balance.first, found.duplicates.prompts.rows) == (206, 1)
    assert found.cues.tells and found.cues.cues[0].name == "length"
    assert found.cues.accuracy and 0.65 < found.cues.accuracy.value < 0.78
    assert found.cues.control and 0.42 < found.cues.control.value < 0.58


@needs_shared_data
def test_hh_is_told_by_refusals_and_length(tmp_path: Path) -> None:
    rows = []
    with gzip.open(SHARED / "hh-rlhf/harmless-base/test.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            both = [
                json.loads(line)[side].rpartition("\n\nAssistant:")
                for side in ("chosen", "rejected")
            ]
            if both[0][0] == both[1][0] and both[0][2].strip() and both[1][2].strip():
                chosen, rejected = (one[2].strip() for one in both)
                rows.append({"prompt": both[0][0], "chosen": chosen, "rejected": rejected})
    found = check([write(tmp_path / "hh.jsonl", rows)])
    lengths = found.balance.lengths
    assert (lengths.longer, lengths.shorter, lengths.equal) == (1021, 1271, 11)
    assert found.cues.tells and {one.name for one in found.cues.cues[:2]} == {"length", "refusal"}
    assert found.cues.accuracy and 0.57 < found.cues.accuracy.value < 0.64
    assert found.duplicates.near_prompts.groups > 5


@needs_shared_data
def test_hhh_repeats_its_prompts(tmp_path: Path) -> None:
    file = SHARED / "prometheus-eval/eval/benchmark/data/hhh_alignment_eval.json"
    rows = []
    for one in json.loads(file.read_text(encoding="utf-8")):
        good, bad = (HHH.search(one[f"{side}_instruction"]) for side in ("chosen", "rejected"))
        assert good and bad
        rows.append({"prompt": good[1], "chosen": good[2], "rejected": bad[2]})
    found = check([write(tmp_path / "hhh.jsonl", rows)])
    assert found.duplicates.prompts.rows == 221 - 102
    assert (found.balance.lengths.longer, found.balance.lengths.shorter) == (139, 80)
    assert found.cues.accuracy and found.cues.accuracy.value > 0.55


@needs_shared_data
def test_solutions_of_gsm8k_are_found_in_it(tmp_path: Path) -> None:
    folder = SHARED / "grade-school-math/grade_school_math/data"
    source = Gsm8kSolutions(path=folder / "example_model_solutions.jsonl", limit=300)
    data = write(tmp_path / "pairs.jsonl", [record(task) for task in source.load()])
    found = check([data], {"GSM8K": folder / "test.jsonl"})
    assert found.overlap["GSM8K"].rows == 300
    assert found.overlap["GSM8K"].records == 1319
    assert found.duplicates.contradictions.rows == 0
