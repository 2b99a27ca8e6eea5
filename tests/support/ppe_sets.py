"""Sets of PPE's form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_results import write
from j1sdk_benchmarks.ppe_correctness import (
    SETS,
)


def question(
    number: int = 1, right: tuple[int, ...] = (0, 2), n: int = 4, **changes: Any
) -> dict[str, Any]:
    """A record of n responses, of which these are right."""
    return {
        "question_id": number, "prompt": f"{number}?", "model_name": "gemma",
        **{f"response_{place + 1}": f"response {place}" for place in range(n)},
        "scores": [place in right for place in range(n)], "mean_score": len(right) / n,
        "sampled_conflict_pairs": [[0, 1], [3, 2]], **changes,
    }  # fmt: skip


def stored(folder: Path, **questions: list[dict[str, Any]]) -> Path:
    """The five data sets' folders, of which some have questions."""
    for name, records in questions.items():
        write(folder / f"PPE-{name.replace('_', '-')}-Best-of-K" / "data" / "train.json", records)
    return folder


def everywhere(folder: Path, *records: dict[str, Any]) -> Path:
    return stored(folder, **{name.replace("-", "_"): list(records) for name in SETS})
