"""Pages of docs/, their sections and their blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def section(page: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"docs/{page}.md has no section {heading}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def executed(code: str, **names: Any) -> dict[str, Any]:
    """The names that a block leaves, run as a module of its own."""
    names["__name__"] = "page"
    exec(compile(code, "page", "exec", dont_inherit=True), names)
    return names
