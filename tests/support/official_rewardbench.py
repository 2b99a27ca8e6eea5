"""The official scoring functions of `rewardbench`, from its wheel, for differential tests.

Importing the package would take torch, vllm and more. So its constants are executed, and of its
utilities only the functions that score.
"""

from __future__ import annotations

import ast
import math
import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]
import pytest

WHEEL = "rewardbench-0.1.4-py3-none-any.whl"
CACHE = Path(__file__).parents[2] / ".cache" / "rewardbench"
WANTED = (
    "calculate_scores_per_section", "reroll_and_score_dataset", "sample_stats",
    "process_single_model",
)  # fmt: skip


def wheel() -> Path:
    """The wheel, fetched once; skips the test where there is no network."""
    if not (CACHE / WHEEL).is_file():
        partial = CACHE.with_name(f"rewardbench.{os.getpid()}")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "rewardbench==0.1.4", "--dest", str(partial)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            pytest.skip("rewardbench 0.1.4 could not be downloaded")
        CACHE.mkdir(parents=True, exist_ok=True)
        (partial / WHEEL).replace(CACHE / WHEEL)
        partial.rmdir()
    return CACHE / WHEEL


class Rows(list[dict[str, Any]]):
    """As much of a `datasets.Dataset` as the functions use."""

    def to_pandas(self) -> Any:
        return pandas.DataFrame(list(self))

    @classmethod
    def from_pandas(cls, frame: Any) -> Rows:
        return cls(frame.to_dict("records"))

    @classmethod
    def from_dict(cls, columns: dict[str, list[Any]]) -> Rows:
        return cls(
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        )


@cache
def official() -> dict[str, Any]:
    """The scoring functions and constants by name."""
    import numpy

    found: dict[str, Any] = {"np": numpy, "pd": pandas, "math": math, "Dataset": Rows}
    with zipfile.ZipFile(wheel()) as archive:
        constants = archive.read("rewardbench/constants.py").decode()
        utilities = ast.parse(archive.read("rewardbench/utils.py").decode())
    exec(compile(constants, "constants.py", "exec"), found)
    functions = [
        node for node in utilities.body if isinstance(node, ast.FunctionDef) and node.name in WANTED
    ]
    assert {node.name for node in functions} == set(WANTED)
    exec(compile(ast.Module(list(functions), []), "utils.py", "exec"), found)
    return found
