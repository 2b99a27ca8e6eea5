"""Benchmarks under test: records written to files, tasks judged by a function, scores by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.bootstrap import resample
from j1sdk.judge import result_of
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Scores

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_shared_data = pytest.mark.skipif(
    not SHARED.is_dir(), reason="shared data not found at ../shared/data"
)
Judge = Callable[[JudgmentTask, tuple[int, ...]], Scores | None]
"""Scores of what is shown of a task in an order; None where its judgment fails."""


def write(path: Path, records: Any) -> Path:
    """A JSON file of these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def judged(
    benchmark: Benchmark, judge: Judge, arity: int = 2, both_orders: bool = True,
    tasks: Sequence[JudgmentTask] | None = None,
) -> list[JudgeResult]:  # fmt: skip
    """The benchmark's tasks, or these, judged by a function."""
    results = []
    for task in benchmark.tasks() if tasks is None else tasks:
        orders = [one.order for one in benchmark.presentations(task, arity, both_orders)]
        results.append(result(task, {order: judge(task, order) for order in orders}))
    return results


def result(task: JudgmentTask, scores: Mapping[Any, Scores | None]) -> JudgeResult:
    """A task with these scores in each order."""
    return result_of(
        task,
        [
            Judgment(
                task_id=task.id,
                order=order,
                scores=given,
                status=JudgmentStatus.UNPARSEABLE if given is None else JudgmentStatus.OK,
            )
            for order, given in scores.items()
        ],
    )


def scores(benchmark: Benchmark, results: Iterable[JudgeResult]) -> dict[str, float]:
    """The benchmark's own scores of results, without intervals."""
    found = benchmark.aggregate(resample(benchmark.units(list(results)), 0, 0))
    return {name: float(values[0]) for name, values in found.items()}


def notes(benchmark: Benchmark, results: Iterable[JudgeResult]) -> list[str]:
    """What the benchmark has to say of results."""
    return benchmark.notes(resample(benchmark.units(list(results)), 0, 0))


def verdict(first: float, second: float) -> Scores:
    """The higher of two wins, as a judge of pairs says it; equal ones tie."""
    return (0.5, 0.5) if first == second else (1.0, 0.0) if first > second else (0.0, 1.0)


def always_first(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
    """A judge with position bias and nothing else."""
    return (1.0, 0.0)


def longer(task: JudgmentTask, order: tuple[int, ...]) -> Scores:
    """A judge that prefers the longer response."""
    lengths = [float(len(task.responses[index])) for index in order]
    return verdict(*lengths) if len(lengths) == 2 else tuple(lengths)
