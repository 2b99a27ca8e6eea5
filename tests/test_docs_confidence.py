"""What the page on confidence shows is what happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from j1sdk_scale import Cascade, Distill, pairs_needed

from j1sdk import ConfigError
from j1sdk.cli import j1
from j1sdk.run import build_run

PAGE = (Path(__file__).parents[1] / "docs" / "confidence.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_judge_of_probabilities_is_as_shown(quickstart_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]],
        cwd=quickstart_home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores, told = done.stdout.splitlines()
    chosen, rejected = map(float, scores.strip("()").split(","))
    assert chosen > rejected and chosen + rejected == pytest.approx(1)
    assert told.count("'A': ") == told.count("'B': ") == 2


def test_the_run_file_is_accepted() -> None:
    run = build_run(tomllib.loads(blocks("toml")[0]))
    assert run.judge.format.reads_probabilities and run.judge.sampling.top_logprobs == 20


def test_the_cascade_is_accepted_once_it_is_fitted() -> None:
    tables = tomllib.loads(blocks("toml")[1])
    with pytest.raises(ConfigError, match="j1 calibrate"):
        build_run(tables)
    tables["judge"]["scaling"]["sure"] = 0.97
    scaling = build_run(tables).judge.scaling
    assert isinstance(scaling, Cascade) and scaling.risk == 0.01
    assert f"takes {pairs_needed(scaling.risk)} pairs" in PAGE


def test_the_distillation_is_accepted() -> None:
    run = build_run(tomllib.loads(blocks("toml")[2]))
    phases = list(getattr(run.train, "phases", []))
    assert [type(phase) for phase in phases] == [Distill]
    assert phases[0].path.name == "thought"


@pytest.mark.parametrize("command", re.findall(r"^    (j1 .*)$", PAGE, re.M))
def test_a_command_has_the_options_shown(command: str) -> None:
    words = command.split()
    shown = CliRunner().invoke(j1, [words[1], "--help"]).output
    assert all(word in shown for word in words if word.startswith("--"))


def test_a_quickstart_judge_is_fitted_or_says_why_not(quickstart_home: Path) -> None:
    """Its fast reading has learnt nothing, so no threshold keeps to the risk."""
    judge = quickstart_home / "runs/quickstart/judge"
    words = ["calibrate", judge, "--source", "arithmetic", "--limit", 60, "--out"]
    settings = ("scaling={name='cascade',risk=0.05}", "sampling.max_new_tokens=48")
    given = [word for setting in settings for word in ("--set", f"judge.{setting}")]
    before = (judge / "j1.toml").read_bytes()
    done = CliRunner().invoke(j1, [*map(str, words), str(quickstart_home / "fitted"), *given])
    assert done.exit_code == 1 and "no threshold" in str(done.exception)
    assert (judge / "j1.toml").read_bytes() == before
    fitted = json.loads((quickstart_home / "fitted/calibration.json").read_text())
    assert fitted["sure"] is None and fitted["n"] == 60


def test_the_figures_quoted_are_those_recorded() -> None:
    path = Path(__file__).parents[1] / "benchmarks/results/cascade.json"
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        found[str(row["start"]), row["judged by"]] = row
    told = re.findall(r"^\| (\d) \| (.*) \|$", PAGE, re.M)
    assert [start for start, _ in told] == ["0", "1", "2"]
    for start, cells in told:
        fast, cascade, lot = (
            f"{found[start, way]['decides as thinking']:.3f}"
            for way in ("fast, distilled", "cascade", "control: pairs by lot")
        )
        tokens = f"{found[start, 'cascade']['tokens']:.0%}"
        right = ", ".join(
            f"{found[start, way]['accuracy']:.3f}"
            for way in ("thinking, before distilling", "thinking")
        )
        assert cells.split(" | ") == [fast, cascade, tokens, lot, right]
