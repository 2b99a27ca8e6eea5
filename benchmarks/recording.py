"""Where a benchmark's figures go: a table to read, JSON to compare, and what made them."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from j1sdk.files import write_text
from j1sdk.runfile import versions

RESULTS = Path(__file__).parent / "results"
Row = Mapping[str, Any]
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Of a processor: what arithmetic is done with, and so which roundings it makes."""


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
        "processor": processor(),
        **versions(),
    }
    table = markdown(rows)
    notes = "\n".join(f"- {key}: {value}" for key, value in {**facts, **made_with}.items())
    print(table)
    write_text(out / f"{name}.md", f"# {title}\n\n{table}\n\n{notes}\n")
    figures = {"title": title, "rows": list(rows), "facts": facts, "made_with": made_with}
    write_text(out / f"{name}.json", json.dumps(figures, indent=2) + "\n")


def processor() -> str:
    """Its name and those of `INSTRUCTIONS` it has, where Linux tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(told.get("flags", "").split())
    name = told.get("model name", platform.processor() or "unknown")
    return " ".join([name, *(one for one in INSTRUCTIONS if one in flags)])


def hash_of(model: Path) -> str:
    """Of a model's weights: a short name for what a measurement started from."""
    return hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()[:12]


def spread(values: Sequence[float]) -> str:
    """The mean, its 95% interval by Student's t, and the values."""
    each = ", ".join(f"{value:+.3f}" for value in values)
    if len(values) < 2:
        return each
    mean, half = fmean(values), half_width(values)
    return f"{mean:+.3f}, 95% {mean - half:+.3f} to {mean + half:+.3f} ({each})"


def half_width(values: Sequence[float]) -> float:
    """Of the 95% interval of a mean, by Student's t."""
    from scipy.stats import t

    quantile = float(t.ppf(0.975, len(values) - 1))
    return quantile * stdev(values) / math.sqrt(len(values))


def markdown(rows: Sequence[Row]) -> str:
    """Rows with the same keys as a table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in r.values()] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
