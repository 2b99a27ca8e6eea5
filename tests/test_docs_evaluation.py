"""What the page on evaluation shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from j1sdk_benchmarks.judgebench import JudgeBench

from j1sdk import JudgeRewardModel, PairwiseVerdict, Scripted
from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.evaluation import read_records
from j1sdk.evaluation.bootstrap import REPLICATES
from j1sdk.evaluation.evaluations import Evaluated

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)]
J1 = str(Path(sys.executable).with_name("j1"))


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return str(found)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the page's judgments, and a run file."""
    (tmp_path / "judgments.jsonl").write_text(block("json"), encoding="utf-8")
    answers = (PairwiseVerdict().write((1.0, 0.0)),) * 8
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=answers))
    judge.save(tmp_path)
    (tmp_path / "j1.toml").rename(tmp_path / "run.toml")
    return tmp_path


def official_rows(folder: Path) -> Path:
    """The page's two tasks in JudgeBench's own form."""
    sources = {"17": ("livebench-math", "B>A"), "18": ("livecodebench", "A>B")}
    rows = [
        {"pair_id": name, "source": source, "label": label, "question": f"Question {name}?",
         "response_model": "gpt-4o", "response_A": "one", "response_B": "two"}
        for name, (source, label) in sources.items()
    ]  # fmt: skip
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([*command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_commands_do_what_the_page_says(home: Path) -> None:
    judged, recorded, compared = COMMANDS
    run(home, J1, *judged[1:], "--data", str(official_rows(home)))
    told = {name for name in re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.M)}
    assert told <= {path.name for path in (home / "runs/judgebench").iterdir()}
    assert {"judgments.jsonl", "records.jsonl", "evaluation.json", "report.html"} == told
    run(home, J1, *recorded[1:])
    assert "Differences from judgebench" in run(home, J1, *compared[1:])
    page = (home / "runs/compared/report.html").read_text(encoding="utf-8")
    assert "Tasks on which the runs differ" not in page, "neither is right in both orders"
    written = (home / "runs/recorded/evaluation.json").read_text(encoding="utf-8")
    evaluated = Evaluated.model_validate_json(written, context=catalogue())
    assert evaluated.benchmark == JudgeBench()


def test_the_python_example_prints_what_is_said(home: Path) -> None:
    first, second = run(home, sys.executable, "-c", block("python")).splitlines()
    assert f"`{first}`" in PAGE
    assert second == "0.25 0.25 2 of 350 tasks: not comparable with published figures."


def test_the_lines_are_records_of_our_kind(tmp_path: Path) -> None:
    (tmp_path / "judgments.jsonl").write_text(block("json"), encoding="utf-8")
    lines = list(read_records(tmp_path / "judgments.jsonl"))
    assert {line.id for line in lines} == {"17", "18"} and len(lines) == 4


def test_every_convention_is_in_the_table() -> None:
    from j1sdk.evaluation import credits

    names = (credits.STRICT, credits.HALF, credits.DECIDED, credits.CONSISTENT, credits.SUM_RULE,
             credits.AS_GIVEN)  # fmt: skip
    rows = re.findall(r"^\| `([a-z0-9,. -]+)` \|", PAGE, re.M)
    assert set(names) <= set(rows)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_has_the_options_shown(command: list[str]) -> None:
    shown = CliRunner().invoke(j1, [command[1], "--help"]).output
    assert all(word in shown for word in command if word.startswith("--"))


def test_the_number_of_replicates_is_the_one_told() -> None:
    assert f"with {REPLICATES:,} replicates" in PAGE
