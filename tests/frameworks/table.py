"""The table of docs/frameworks.md, from what the last `make test-frameworks` found.

python tests/frameworks/table.py     # replaces it in the page, and says what has changed
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

from j1sdk.catalogue import catalogue

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "frameworks.md", ROOT / ".cache" / "frameworks"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"
FILES = {
    "ms-swift": "swift",
    "skyrl": "skyrl_gym",
    "inspect-ai": "inspect_ai",
    "nemo-gym": "nemo_gym",
}
"""Tests of adapters that are named otherwise than their framework's package."""
ELSEWHERE = {"trl": "`make test`, `make test-all`", "openrlhf": "`make test-stack`"}
"""What else runs adapters, of frameworks that are installed beside j1sdk."""
HEAD = (
    "| adapter | framework | run with | tests | what a missing score can be |\n"
    + "|---" * 5
    + "|\n"
)


def table() -> str:
    """A row per adapter; raises FileNotFoundError where a framework's tests have not been run."""
    return HEAD + "".join(row(name) for name in catalogue().names("adapters"))


def row(name: str) -> str:
    kind: type[Any] = catalogue().find("adapters", name)
    policies = get_args(kind.model_fields["unscored"].annotation)
    shown = ", ".join(f"`{policy}`" for policy in policies)
    tests = ELSEWHERE.get(name) or results(RESULTS / f"{FILES.get(name, name)}.xml")
    return f"| `{name}` | {kind.title} | {kind.tested} | {tests} | {shown} |\n"


def results(path: Path) -> str:
    """How many tests passed, of a file that pytest wrote."""
    (suite,) = ElementTree.parse(path).getroot().iter("testsuite")
    total, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    assert suite.attrib["failures"] == suite.attrib["errors"] == "0", f"{path} has failures"
    passed = f"{total - skipped} passed"
    return f"{passed}, {skipped} do not apply" if skipped else passed


def main() -> None:
    """Write the table into the page."""
    before = PAGE.read_text(encoding="utf-8")
    start, rest = before.split(BEGIN)
    old, end = rest.split(END)
    new = table()
    PAGE.write_text(f"{start}{BEGIN}{new}{END}{end}", encoding="utf-8")
    print("nothing has changed" if new == old else new, file=sys.stderr)


if __name__ == "__main__":
    main()
