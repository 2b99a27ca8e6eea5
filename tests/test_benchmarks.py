"""Benchmarks run, and write down their figures with what made them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def measured(name: str, out: Path, *words: str) -> dict[str, Any]:
    """The figures of a quick run."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--out", str(out), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / f"{name}.md").read_text(encoding="utf-8").startswith("# ")
    figures: dict[str, Any] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def test_an_early_stop_saves_tokens_and_changes_no_outcome(tmp_path: Path) -> None:
    rows = measured("early_stop", tmp_path)["rows"]
    assert [row["judge accuracy"] for row in rows] == [0.6, 0.7, 0.8, 0.9, 0.95]
    assert {row["outcomes identical"] for row in rows} == {"50 of 50"}
    saved = [row["tokens saved"] for row in rows]
    assert saved == sorted(saved), "a better judge is surer sooner"
    assert saved[0] > 0.05 and saved[-1] > 0.35


def test_import_time_is_told_beside_its_floor(tmp_path: Path) -> None:
    figures = measured("import_time", tmp_path)
    assert {"import j1sdk", "j1 --help"} <= {row["command"] for row in figures["rows"]}
    assert figures["facts"] == {"rounds": 2}


def test_quoting_a_task_once_is_a_fraction_of_quoting_each_presentation(tmp_path: Path) -> None:
    ranking, *growth = measured("quoting", tmp_path)["rows"]
    times = int(ranking["beside"].split(", ")[1].split()[0])
    assert times > 4, "four responses, each shown in six presentations"
    assert len(growth) == 2


@pytest.mark.slow
def test_what_a_failure_is_worth_is_tried_in_both_worlds(tmp_path: Path) -> None:
    rows = measured("failed_as_number", tmp_path, "--work", str(tmp_path / "work"))["rows"]
    assert len(rows) == 1 + 2 * 6 and {row["start"] for row in rows} == {0}
    assert all(0 <= row["right with a carry"] <= 1 for row in rows)


def test_a_number_in_place_of_a_judgment_ruined_a_policy_and_nothing_did_not() -> None:
    kept = json.loads((BENCHMARKS / "results" / "failed_as_number.json").read_text("utf-8"))
    right = {
        (row["start"], row["world"], row["a failure gets"]): row["right with a carry"]
        for row in kept["rows"]
    }
    for start in range(3):
        before = right[start, "", "(before)"]
        for world, ruinous in (("right fails", "floor"), ("wrong fails", "win")):
            assert right[start, world, ruinous] < before
            assert min(right[start, world, arm] for arm in ("read", "drop", "group")) > before + 0.5


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("results/*.json")), ids=lambda p: p.stem)
def test_recorded_figures_say_what_made_them(path: Path) -> None:
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures["rows"], "no figures"
    assert {"date", "command", "cores", "python", "j1sdk"} <= set(figures["made_with"])
    assert figures["made_with"]["command"].startswith(f"python benchmarks/{path.stem}.py")
    assert path.with_suffix(".md").exists()


def test_every_recorded_figure_has_its_script() -> None:
    scripts = {path.stem for path in BENCHMARKS.glob("*.py")}
    assert {path.stem for path in BENCHMARKS.glob("results/*.json")} <= scripts


def test_a_step_is_told_by_its_parts(tmp_path: Path) -> None:
    rows = measured("step", tmp_path)["rows"]
    assert [row["part"] for row in rows] == ["sampling", "learning", "step"]
    assert all(row["ratio"] > 0 for row in rows)
