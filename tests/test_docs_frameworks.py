"""What the page on frameworks shows is what happens; sections run beside their frameworks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from pages import DOCS, blocks, executed, section

from j1sdk.adapters import Unscored
from j1sdk.catalogue import catalogue
from j1sdk.cli import j1

PAGE = (DOCS / "frameworks.md").read_text(encoding="utf-8")
SHARED = PAGE.partition("\n## ")[0]
RUN_FILE = """
[judge]
format = "pointwise"
engine = { name = "openai", model = "m", base_url = "http://localhost:1/v1" }
"""


def test_its_python_runs() -> None:
    for code in blocks(SHARED, "python"):
        executed(code)


@pytest.mark.parametrize("block", blocks(PAGE, "console"))
def test_its_commands_print_what_is_shown(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judge.toml").write_text(RUN_FILE)
    command, _, shown = block.removeprefix("$ j1 ").partition("\n")
    result = CliRunner().invoke(j1, shlex.split(command))
    assert result.exit_code == 0, result.output
    assert result.stdout.replace(f"{tmp_path}/", "").startswith(shown)


def test_every_policy_is_explained() -> None:
    table = section("frameworks", "What is the same everywhere")
    assert set(re.findall(r"^\| `\"(\w+)\"` ", table, re.M)) == set(get_args(Unscored))


def test_every_adapter_has_its_section() -> None:
    adapters: list[Any] = [
        catalogue().find("adapters", name) for name in catalogue().names("adapters")
    ]
    assert [kind.title for kind in adapters if f"\n## {kind.title}\n" not in PAGE] == []


@pytest.mark.parametrize("name", catalogue().names("adapters"))
def test_the_table_has_the_version_and_the_policies_of_every_adapter(name: str) -> None:
    """Its figures are those of the last `make test-frameworks`."""
    kind: Any = catalogue().find("adapters", name)
    row = re.search(rf"^\| `{name}` \|.*$", section("frameworks", "What was run"), re.M)
    assert row and f"| {kind.title} | {kind.tested} |" in row[0]
    policies = get_args(kind.model_fields["unscored"].annotation)
    assert re.findall(r"`(\w+)`", row[0].rpartition(" | ")[2]) == list(policies)
