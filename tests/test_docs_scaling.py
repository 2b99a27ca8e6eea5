"""What the page on test-time scaling shows is what happens."""

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
from j1sdk_scale.spending import Spending

from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.run import build_run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def printed(program: str, home: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_judge_that_votes_is_as_shown(quickstart_home: Path) -> None:
    verdict, samples = printed(blocks("python")[0], quickstart_home)
    preferred, calls = map(int, verdict.split())
    assert preferred == 0 and 10 <= calls <= 18
    assert len(json.loads(samples.replace("(", "[").replace(")", "]"))) >= 5


def test_the_ranking_is_as_shown(quickstart_home: Path) -> None:
    scores, spent = printed(blocks("python")[1], quickstart_home)
    assert scores.endswith(") 1") and "None" not in scores
    assert spent == "12 12"


@pytest.mark.parametrize("number", range(len(blocks("toml"))))
def test_the_run_files_are_accepted(number: int) -> None:
    assert build_run(tomllib.loads(blocks("toml")[number])).judge.sampling.temperature > 0


@pytest.mark.parametrize("kind", ["scalings", "rankings"])
def test_everything_on_offer_is_in_a_table(kind: str) -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)`", PAGE, re.M))
    assert set(catalogue().names(kind)) <= rows


def test_the_study_of_the_quickstarts_judge_is_drawn(quickstart_home: Path) -> None:
    (command,) = [words for words in COMMANDS if "runs/quickstart/judge" in words]
    j1_here = str(Path(sys.executable).with_name("j1"))
    done = subprocess.run(
        [j1_here, *command[1:]], cwd=quickstart_home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    out = quickstart_home / command[command.index("--out") + 1]
    spent = [Spending.model_validate(one) for one in json.loads((out / "scaling.json").read_text())]
    found = {(one.strategy, one.n): one for one in spent}
    full, stopped = found["vote", 9], found["vote, early stop", 9]
    assert full.metrics.accuracy == stopped.metrics.accuracy and stopped.tokens < full.tokens
    assert (full.metrics.accuracy or 0) >= (found["vote", 1].metrics.accuracy or 0)
    assert "tokens per judgment" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_has_the_options_shown(command: list[str]) -> None:
    shown = CliRunner().invoke(j1, [command[1], "--help"]).output
    assert all(word in shown for word in command if word.startswith("--"))


def test_the_figures_quoted_are_those_recorded() -> None:
    figures = json.loads((ROOT / "benchmarks/results/early_stop.json").read_text(encoding="utf-8"))
    rows = {row["judge accuracy"]: row for row in figures["rows"]}
    columns = ("tokens saved", "tokens saved at risk 0.01")
    saved = [rows[accuracy][column] for column in columns for accuracy in (0.6, 0.95)]
    told = [
        int(number) for number in re.findall(r"(\d+)%(?: of\s+the\s+tokens| at nineteen)", PAGE)
    ]
    assert told == [round(100 * share) for share in saved]


def test_the_hit_rates_quoted_are_those_recorded() -> None:
    path = ROOT / "benchmarks/results/prefix_cache.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    for row in rows:
        assert f"{round(100 * row['hit rate'])}% of" in PAGE


def test_what_two_rounds_keep_is_what_was_recorded() -> None:
    path = ROOT / "benchmarks/results/ranking.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    here = [row for row in rows if (row["slope"], row["bias"]) == (3.0, 0.5)]
    for n, spent in ((16, 96), (32, 396)):
        full, adaptive, two = (
            next(
                row for row in here
                if (row["n"], row["ranking"]) == (n, name) and row["judgments"] == judgments
            )
            for name, judgments in (
                ("round-robin", n * (n - 1)), ("adaptive", spent), ("two-rounds", spent),
            )
        )  # fmt: skip
        assert two["rounds"] == 2 and f"{adaptive['rounds']:.0f}" in PAGE
        assert f"{adaptive['tau'] / full['tau']:.0%}" in PAGE
        assert f"{two['tau'] / full['tau']:.0%}" in PAGE
