"""What docs/serving.md shows is what happens."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_cluster import Ray, Replicas
from reward_client import ask, pointwise

from j1sdk.adapters.texts import requested
from j1sdk.cli import j1
from j1sdk.cli.serve import welcome
from j1sdk.run import build_run
from j1sdk.server import Serve, served
from j1sdk.server.app import posts
from j1sdk.server.desk import Desk
from j1sdk.server.metrics import Meter

PAGE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
ANSWER = "<think>Fine.</think> <score>7.5</score>"
TOKENS = r"(?<=tokens\":)(\[?)\d+"
"""How many the judge's prompt has is no business of this page."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def session(program: str) -> list[list[str]]:
    """The commands of console blocks that start so, each with what it prints."""
    parts = [part.splitlines() for block in blocks("console") for part in block.split("$ ")[1:]]
    return [part for part in parts if shlex.split(part[0])[0] == program]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(pointwise(lambda question: ANSWER)) as server:
        yield server.url


@pytest.mark.parametrize("number", range(len(session("curl"))))
def test_a_request_is_answered_as_shown(url: str, number: int) -> None:
    command, shown = session("curl")[number]
    words = shlex.split(command)
    path = words[words.index("-s") + 1].removeprefix("localhost:8000")
    answer = ask(url + path, words[words.index("--json") + 1].encode()).body
    pattern = re.escape(re.sub(TOKENS, r"\1N", shown)).replace(r"\.\.\.", r"\w+")
    assert re.fullmatch(pattern, re.sub(TOKENS, r"\1N", answer)), answer


def test_there_is_a_request_for_every_route_that_judges(url: str) -> None:
    desk = Desk(pointwise(lambda question: ANSWER), Serve())
    shown = {command.split()[2].removeprefix("localhost:8000") for command, _ in session("curl")}
    assert shown == set(posts(desk))


def test_the_server_says_what_is_shown() -> None:
    (_, *shown), *_ = session("j1")
    assert "\n".join(shown) == welcome("pointwise", "http://127.0.0.1:8000", Serve())


@pytest.mark.parametrize("command", [one[0] for one in session("j1")])
def test_a_command_has_the_options_shown(command: str) -> None:
    words = shlex.split(command)
    help_text = CliRunner().invoke(j1, [words[1], "--help"]).output
    assert all(word in help_text for word in words if word.startswith("--"))


def test_the_variable_before_a_command_is_the_one_it_reads() -> None:
    (command,) = [line for line in PAGE.splitlines() if "--token-env" in line]
    variable = command.removeprefix("$ ").partition("=")[0]
    assert command.endswith(f"--token-env {variable}")


def test_the_python_runs() -> None:
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+\n", done.stdout)


def test_the_tables_are_accepted() -> None:
    serving = [tomllib.loads(block) for block in blocks("toml") if "[serve]" in block]
    whole, pattern = serving
    run = build_run(whole)
    assert run.serve == Serve(unscored="error") == Serve()
    options = Serve.model_validate(pattern["serve"])
    assert requested("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n", options) == "Why?"


def test_the_judges_on_several_machines_are_accepted() -> None:
    spread = [tomllib.loads(block) for block in blocks("toml") if "[serve]" not in block]
    engines = [build_run(described).judge.engine for described in spread]
    assert [type(engine) for engine in engines] == [Replicas, Ray]
    assert {engine.label for engine in engines} == {"Qwen/Qwen3-8B"}


def rows(heading: str) -> dict[str, list[str]]:
    """A table, by the first cell of its rows."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in lines}


def default(option: str) -> str:
    value: Any = Serve.model_fields[option].default
    if isinstance(value, float):
        return f"{value:g}"
    words = {None: "none", True: "true", False: "false"}
    return words.get(value) or (f'"{value}"' if isinstance(value, str) else str(value))


def test_every_option_is_listed_with_its_default() -> None:
    listed: dict[str, str] = {}
    for names, (value, _) in rows("All options").items():
        options = re.findall(r"`(\w+)`", names)
        values = value.replace("`", "").split(", ")
        shared = len(values) < len(options)
        listed |= {one: values[0 if shared else place] for place, one in enumerate(options)}
    assert listed == {option: default(option) for option in Serve.model_fields}


def test_every_metric_is_listed() -> None:
    listed = set(re.findall(r"`(j1_\w+)", " ".join(rows("Watching it"))))
    meter = Meter(lambda: 0, lambda: 0)
    families = [(one.name, one.type) for one in meter.registry.collect()]
    assert listed == {f"{name}_total" if kind == "counter" else name for name, kind in families}


def test_every_path_listed_is_there(url: str) -> None:
    paths = [path.strip("`") for path in rows("Watching it") if path.startswith("`/")]
    assert len(paths) == 5
    assert [ask(url + path).status for path in paths] == [200] * 5
