"""Every example runs, on real data where it wants some."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from j1sdk.run import read_run
from j1sdk.types import JudgmentStatus

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="shared data not found at ../shared/data")


def run(home: Path, *command: str) -> str:
    """Standard output of a command in the folder that holds runs/quickstart."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=home, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested_here() -> None:
    """The folder recipes/ has a test of its own, test_recipes.py."""
    tested = Path(__file__).read_text(encoding="utf-8")
    for example in EXAMPLES.iterdir():
        assert example.name in tested


def test_judge(quickstart_home: Path) -> None:
    out = run(
        quickstart_home, sys.executable, str(EXAMPLES / "01_judge.py"), "runs/quickstart/judge"
    )
    assert re.search("preferred: (0|1|None)  both orders agree: (True|False)", out)
    assert "judgments spent: 6" in out


@needs_data
def test_llmbar_ends_every_judgment_in_a_status(quickstart_home: Path, tmp_path: Path) -> None:
    program, judge = str(EXAMPLES / "02_llmbar.py"), "runs/quickstart/judge"
    run(quickstart_home, sys.executable, program, str(DATA / "LLMBar"), judge, str(tmp_path))
    lines = (tmp_path / "judgments.jsonl").read_text(encoding="utf-8").splitlines()
    judgments = [json.loads(line) for line in lines]
    assert len({(one["id"], tuple(one["order"])) for one in judgments}) == 2 * 419
    counts = Counter(one["status"] for one in judgments)
    assert set(counts) <= {status.value for status in JudgmentStatus}
    assert counts["truncated"] > 0
    for one in judgments:
        assert (one["scores"] is None) == (one["status"] != "ok")


@needs_data
def test_a_judge_is_trained_on_gsm8k_solutions(quickstart_home: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "runs").symlink_to(quickstart_home / "runs")
    shutil.copy(EXAMPLES / "03_gsm8k.toml", tmp_path / "examples")
    solutions = "grade-school-math/grade_school_math/data/example_model_solutions.jsonl"
    (tmp_path / "examples" / "example_model_solutions.jsonl").symlink_to(DATA / solutions)
    run(tmp_path, "j1", "train", "examples/03_gsm8k.toml", "--out", "trained")
    log = json.loads((tmp_path / "trained" / "log.json").read_text(encoding="utf-8"))
    logged = {key for entry in log for key in entry}
    assert {"rewards/verdict_correctness/mean", "rewards/format_adherence/mean"} <= logged
    assert (tmp_path / "trained" / "judge" / "j1.toml").is_file()
    assert (tmp_path / "trained" / "report.html").is_file()


def test_a_policy_is_trained_by_the_judge(quickstart_home: Path, tmp_path: Path) -> None:
    program = str(EXAMPLES / "04_policy.py")
    run(quickstart_home, sys.executable, program, "runs/quickstart", str(tmp_path / "policy"))
    assert (tmp_path / "policy" / "model.safetensors").is_file()


def test_the_gpu_run_file_is_accepted() -> None:
    described = read_run(EXAMPLES / "05_qwen3_lora.toml")
    assert described.train is not None
    described.train.check(described)
