"""How good a judge is: its metrics, and reports that show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk.evaluation.benchmarks import Benchmark, Unit, view_of
    from j1sdk.evaluation.benchmarks.pairs import Pairs
    from j1sdk.evaluation.credits import (
        CONSISTENT,
        DECIDED,
        HALF,
        STRICT,
        SUM_RULE,
        Credits,
        Means,
        Number,
        Outcome,
        mean_credits,
        outcomes,
        pair_credits,
    )
    from j1sdk.evaluation.evaluations import evaluate
    from j1sdk.evaluation.metrics import NO_SUBSET, RATES, Metrics, Rate, measure, rate_of
    from j1sdk.evaluation.rows import Row, rows_at, rows_of_hub
    from j1sdk.judgments import read_records

__all__ = [
    "CONSISTENT",
    "DECIDED",
    "HALF",
    "NO_SUBSET",
    "RATES",
    "STRICT",
    "SUM_RULE",
    "Benchmark",
    "Credits",
    "Means",
    "Metrics",
    "Number",
    "Outcome",
    "Pairs",
    "Rate",
    "Row",
    "Unit",
    "evaluate",
    "mean_credits",
    "measure",
    "outcomes",
    "pair_credits",
    "rate_of",
    "read_records",
    "rows_at",
    "rows_of_hub",
    "view_of",
]
__getattr__ = lazy(__name__)
