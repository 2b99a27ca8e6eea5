"""Where a benchmark's figures go: a table to read, JSON to compare, and what made them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from j1sdk.files import write_text
from j1sdk.runfile import versions

RESULTS = Path(__file__).parent / "results"
Row = Mapping[str, Any]


def parser(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark takes: where to write, and whether to be quick about it."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--out", type=Path, default=RESULTS, help="folder for the figures")
    made.add_argument("--quick", action="store_true", help="just enough to see that it runs")
    return made


def record(name: str, title: str, rows: Sequence[Row], out: Path = RESULTS, **facts: Any) -> None:
    """Print the figures as a table; write `out`/name.md and name.json."""
    made_with = {
        "date": date.today().isoformat(),
        "command": " ".join(["python", f"benchmarks/{name}.py", *sys.argv[1:]]),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        **versions(),
    }
    table = markdown(rows)
    notes = "\n".join(f"- {key}: {value}" for key, value in {**facts, **made_with}.items())
    print(table)
    write_text(out / f"{name}.md", f"# {title}\n\n{table}\n\n{notes}\n")
    figures = {"title": title, "rows": list(rows), "facts": facts, "made_with": made_with}
    write_text(out / f"{name}.json", json.dumps(figures, indent=2) + "\n")


def markdown(rows: Sequence[Row]) -> str:
    """Rows with the same keys as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in r.values()] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
