"""What the page on data shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from j1sdk_data.building import Build, Counts
from j1sdk_data.quality import DataQuality

from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.data.jsonl import JsonLines
from j1sdk.data.shapes import SHAPES
from j1sdk.runfile import validate

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


READ = [block for block in blocks("toml") if block.startswith("[data]")]
BUILT = [block for block in blocks("toml") if block.startswith("[builder]")]


@pytest.mark.parametrize("block", BUILT)
def test_the_build_files_are_accepted(block: str) -> None:
    builder = validate(Build, tomllib.loads(block), "page").builder
    assert f"`{builder.name}`" in PAGE


@pytest.mark.parametrize("block", READ)
def test_the_data_of_run_files_are_accepted(block: str, tmp_path: Path) -> None:
    described = tomllib.loads(block)
    source = validate(JsonLines, described["data"], "page")
    if source.path.name == "answers.csv":
        path = tmp_path / "answers.csv"
        path.write_text("question,first,second,better\n?,a,b,1\n?,a,b,tie\n", encoding="utf-8")
        (task,) = source.model_copy(update={"path": path}).load()
        assert (task.responses, task.preferred) == (("a", "b"), 1)


def test_every_column_of_the_shapes_is_on_the_page() -> None:
    columns = {name for shape in SHAPES for name in shape.columns}
    assert columns - {"response1", "response2"} <= set(re.findall(r"`(\w+)`", PAGE))


def test_every_builder_is_in_the_table() -> None:
    assert set(catalogue().names("builders")) <= set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.M))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_has_the_options_shown(command: list[str]) -> None:
    shown = CliRunner().invoke(j1, [*command[1:3], "--help"]).output
    assert all(word in shown for word in command if word.startswith("--"))


def test_the_sums_are_built_and_checked_as_shown(quickstart_home: Path) -> None:
    """The tiny policy's answers, in the folder that the page speaks of."""
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=quickstart_home, check=True)
    (quickstart_home / "sums.toml").write_text(BUILT[2], encoding="utf-8")
    here = [words for words in COMMANDS if any("sums" in word for word in words)]
    j1_here = str(Path(sys.executable).with_name("j1"))
    for command in here:
        done = subprocess.run(
            [j1_here, *command[1:]], cwd=quickstart_home, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    runs = quickstart_home / "runs"
    for name in ("pairs.jsonl", "counts.json", "outcomes.jsonl", "run.toml"):
        assert f"`{name}`" in PAGE and (runs / "sums" / name).is_file()
    counts = Counts.model_validate_json((runs / "sums/counts.json").read_text())
    assert counts.items == 200 == counts.built + sum(counts.failures.values())
    assert counts.pairs > 0
    found = DataQuality.model_validate_json((runs / "sums-check/quality.json").read_text())
    assert found.balance.pairs == counts.pairs and found.duplicates.contradictions.rows == 0
    assert "Telling the label" in (runs / "sums-check/report.html").read_text(encoding="utf-8")
    pairs = (runs / "sums/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert {"prompt", "chosen", "rejected", "id", "reference"} == set(json.loads(pairs[0]))
