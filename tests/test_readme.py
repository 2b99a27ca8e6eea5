"""What the README and the first pages show is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from pages import blocks

from j1sdk.catalogue import Catalogue
from j1sdk.cli import j1
from j1sdk.run import build_run

ROOT = Path(__file__).parent.parent
README, USING, FIRST_HOUR = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/using.md", "docs/first_hour.md")
)
COMMANDS = [
    line.split("#")[0].strip()
    for page in (README, FIRST_HOUR)
    for line in re.findall(r"^    (j1 .*)$", page, re.M)
]
PROGRAMS = [*blocks(README, "python"), *blocks(USING, "python")]


def test_it_is_read_in_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_python_block_runs(program: str, quickstart_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=quickstart_home, capture_output=True, text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for shown in re.findall(r"^print.*#.*?(\[[\d., ]+\]|\d True)", program, re.M):
        assert re.search(like(shown), done.stdout)


def like(shown: str) -> str:
    """A pattern for other figures of the same form: a judge that errs on one pair may be good."""
    return re.sub(r"\d+", r"\\d+", re.escape(shown)).replace("True", "(True|False)")


def test_the_run_file_is_accepted() -> None:
    (described,) = blocks(FIRST_HOUR, "toml")
    run = build_run(tomllib.loads(described))
    assert run.train is not None
    run.train.check(run)


def test_the_cascade_is_accepted_once_it_is_fitted() -> None:
    described = tomllib.loads(next(block for block in blocks(README, "toml") if "cascade" in block))
    described["judge"]["scaling"]["sure"] = 0.97
    assert build_run(described).judge.scaling.name == "cascade"


def test_the_plugin_registers() -> None:
    program = next(block for block in blocks(README, "python") if "hookimpl" in block)
    namespace: dict[str, object] = {"__name__": "my_module"}
    exec(program, namespace)
    plugin = type(sys)("my_module")
    vars(plugin).update(namespace)
    assert Catalogue.of(plugin).find("formats", "terse").name == "terse"


def test_there_are_commands_to_check() -> None:
    assert {command.split()[1] for command in COMMANDS} >= {"train", "eval", "judge", "plugins"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_options_shown(command: str) -> None:
    name, *arguments = shlex.split(command)[1:]
    grouped = isinstance(j1.get_command(click.Context(j1), name), click.Group)
    names = [name, *arguments[:grouped]]
    shown = CliRunner().invoke(j1, [*names, "--help"]).output
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert option in shown


@pytest.mark.parametrize("name", ["eval", "judge"])
def test_a_command_on_the_quickstart_runs_as_it_stands(name: str, quickstart_home: Path) -> None:
    (shown,) = (one for one in COMMANDS if one.startswith(f"j1 {name} runs/quickstart/judge"))
    command = [str(Path(sys.executable).with_name("j1")), *shlex.split(shown)[1:]]
    done = subprocess.run(command, cwd=quickstart_home, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Position-consistent accuracy" in done.stdout, done.stderr


def test_every_make_target_shown_exists() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    shown = re.findall(r"(?:^    |`)make ([a-z-]+)(?:$|`)", README, re.M)
    assert "quickstart" in shown and set(shown) <= set(targets)
