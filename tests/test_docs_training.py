"""What the page on training shows is what happens."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from j1sdk_family.judgments import Selection
from j1sdk_family.rejection import OnPolicyDpo, RejectionSft

from j1sdk import JudgmentTask, PairwiseVerdict
from j1sdk.catalogue import catalogue
from j1sdk.cli import j1
from j1sdk.deliberation import replay
from j1sdk.run import Run, build_run
from j1sdk.training.chain import Chain
from j1sdk.types import Completion, presentations

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(line) for line in re.findall(r"^    (j1 .*)$", PAGE, re.M)]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def shown(number: int) -> Run:
    return build_run(tomllib.loads(blocks("toml")[number]))


def table(heading: str) -> set[str]:
    section = PAGE.split(heading, 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([a-z_-]+)`", section, re.M))


def test_the_chain_writes_where_the_page_says() -> None:
    run = shown(0)
    assert isinstance(run.train, Chain)
    phases = list(run.train.in_turn(run, Path("runs/chain")))
    first, *others = [phase.title for phase in phases]
    assert f"`runs/chain/{first}`" in PAGE
    assert all(f"`{title}`" in PAGE for title in others)
    assert phases[-1].trainer.source(run) != run.data == phases[0].trainer.source(run)


def test_the_source_is_named_as_shown() -> None:
    run = shown(1)
    assert run.train is not None
    run.train.check(run)


def test_every_trainer_on_this_machine_is_in_the_table() -> None:
    ours = {name for name in catalogue().names("trainers") if not name.startswith("openrlhf-")}
    assert ours <= table("# Training a judge")


def test_every_option_is_in_the_table() -> None:
    assert table("## Its own judgments") == {*Selection.model_fields, "hint", "reflect"}
    assert {"hint", "samples", "rounds"} <= set(OnPolicyDpo.model_fields)
    assert "reflect" in RejectionSft.model_fields


def test_every_estimator_is_named() -> None:
    section = PAGE.split("## Advantages", 1)[1]
    kinds = catalogue().find("trainers", "grpo").model_fields["estimator"].annotation
    assert all(f"`{name}`" in section for name in kinds.__args__)  # type: ignore[union-attr]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_has_the_options_shown(command: list[str]) -> None:
    told = CliRunner().invoke(j1, [command[1], "--help"]).output
    assert all(word in told for word in command if word.startswith("--"))


SUM = JudgmentTask.from_pair("38+47", "085", "075")


def test_recorded_judgments_become_preferences_as_shown(quickstart_home: Path) -> None:
    command = [sys.executable, "-c", blocks("python")[0]]
    done = subprocess.run(command, cwd=quickstart_home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counts, *chosen = done.stdout.splitlines()
    found = ast.literal_eval(counts)
    left = sum(found.values()) - found["presentations"]
    assert found["presentations"] == left == 120 and found["examples"] > 0
    assert chosen[0] == "<think>" and chosen[-1].startswith("<answer>[[")
    written = Completion(text="\n".join(chosen), finish_reason="stop")
    assert all(replay(PairwiseVerdict(), one, written).ok for one in presentations(SUM, 2))
