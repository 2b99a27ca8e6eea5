"""The site builds without a warning, and its own pages say what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("j1sdk", "plugins")
    for path in (ROOT / folder).rglob("*.py")
)


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def first_cells(name: str) -> list[str]:
    """The codes in the first column of a page's tables."""
    return re.findall(r"^\| `([^`]+)` \|", page(name), re.M)


@pytest.mark.slow
def test_every_link_leads_somewhere(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    commands = (tmp_path / "site" / "commands" / "index.html").read_text()
    assert "j1 serve" in commands and "j1 openrlhf check" in commands
    python = (tmp_path / "site" / "python" / "index.html").read_text()
    assert "JudgeRewardModel" in python and "score_async" in python
    assert (tmp_path / "site" / "benchmarks" / "results" / "coverage" / "index.html").is_file()


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert f": {path.name}\n" in menu, path.name


@pytest.mark.parametrize("message", first_cells("troubleshooting"))
def test_what_is_said_is_said_somewhere(message: str) -> None:
    words = [part.strip() for part in message.split("...")]
    plain = re.sub(r'"\s*\n\s*f?"', "", SOURCES)
    assert all(part in plain for part in words), message


def test_the_table_has_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    more_than_a_plugin = {name for name, needs in extras if needs != [f"j1sdk-{name}"]}
    assert set(first_cells("install")) == more_than_a_plugin - {"test", "docs"}
