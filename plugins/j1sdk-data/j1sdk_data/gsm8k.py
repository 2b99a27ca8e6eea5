"""Verifiable preference pairs from GSM8K's published model solutions.

Every correct solution of a question against every incorrect one. A solution is correct when the
number on its last line, `A: <number>`, equals the reference's; without one it is incorrect.
Data: github.com/openai/grade-school-math, `example_model_solutions.jsonl`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from j1sdk.data import Source
from j1sdk.data.containers import read_lines
from j1sdk.errors import DataError
from j1sdk.types import JudgmentTask

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
FINAL = re.compile(r"(?:A:|####) (-?[0-9][0-9,]*(?:\.[0-9]+)?)")


class Gsm8kSolutions(Source):
    """2,429 pairs from 731 questions, in file order; subset names the two models."""

    name: ClassVar[str] = "gsm8k-solutions"
    path: Path
    """GSM8K's published `example_model_solutions.jsonl`."""

    def tasks(self) -> Iterator[JudgmentTask]:
        for number, record in read_lines(self.path):
            try:
                yield from pairs(record, number)
            except DataError as error:
                raise DataError(f"{self.path}, line {number}: {error}") from None


def pairs(record: dict[str, Any], number: int) -> Iterator[JudgmentTask]:
    """All correct/incorrect pairs of one question."""
    gold = final_number(_text(record, "ground_truth"))
    if gold is None:
        raise DataError("ground_truth: no number on its last line")
    solutions = {model: _text(record, model, "solution") for model in MODELS}
    right = [model for model in MODELS if final_number(solutions[model]) == gold]
    for better in right:
        for worse in (model for model in MODELS if model not in right):
            yield JudgmentTask.from_pair(
                _text(record, "question"),
                solutions[better],
                solutions[worse],
                subset=f"{better}>{worse}",
                id=f"gsm8k-{number}-{better}-{worse}",
            )


def final_number(solution: str) -> Decimal | None:
    """The number on the last line; None if there is none."""
    lines = solution.strip().split("\n")
    match = FINAL.fullmatch(lines[-1].strip())
    return Decimal(match[1].replace(",", "")) if match else None


def _text(record: Any, *keys: str) -> str:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    if not isinstance(record, str):
        raise DataError(f"{'.'.join(keys)}: expected a string, got {type(record).__name__}")
    return record
