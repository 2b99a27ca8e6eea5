"""What the page on confidence shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from j1sdk.run import build_run

PAGE = (Path(__file__).parents[1] / "docs" / "confidence.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return str(found)


def test_the_judge_of_probabilities_is_as_shown(quickstart_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("python")],
        cwd=quickstart_home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scores, told = done.stdout.splitlines()
    chosen, rejected = map(float, scores.strip("()").split(","))
    assert chosen > rejected and chosen + rejected == pytest.approx(1)
    assert told.count("'A': ") == told.count("'B': ") == 2


def test_the_run_file_is_accepted() -> None:
    run = build_run(tomllib.loads(block("toml")))
    assert run.judge.format.reads_probabilities and run.judge.sampling.top_logprobs == 20
