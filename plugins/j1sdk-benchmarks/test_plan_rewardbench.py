"""Plan-RewardBench: its score by hand, and its records as they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmark_results import always_first, judged, notes, result, scores, write
from j1sdk_benchmarks.plan_rewardbench import OVERALL, SIZES, PlanRewardBench

from j1sdk import DataError
from j1sdk.testing import BenchmarkContract

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def record(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A published record, with made-up words."""
    asked = turn("user", f"What is the weather in city {number}?")
    call = turn("tool_call", "{'name': 'weather', 'arguments': '{}'}")
    told = turn("tool_response", "sunny") | {"name": "weather"}
    known = {
        "query": asked["content"],
        "tools": TOOLS,
        "uuid": f"u-{number}",
        "chosen": {"messages": [asked, call, told, turn("assistant", "Sunny.")]},
        "reject": {"messages": [asked, turn("assistant", "Rainy.")]},
        "_lcp_bucket": "planning_single_easy",
    }
    return known | changes


def published(folder: Path, splits: Any = SIZES) -> PlanRewardBench:
    for split in splits:
        write(folder / f"{split}.jsonl", [record(number) for number in range(2)])
    return PlanRewardBench(path=folder)


class TestPlanRewardBench(BenchmarkContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        self.component = published(tmp_path)


def test_a_trajectory_is_a_response_and_tools_stand_before_the_request(tmp_path: Path) -> None:
    task = published(tmp_path, ["tool_irrelevance"]).tasks()[1]
    system, asked = task.prompt
    assert system.content.startswith("Available tools:") and '"weather"' in system.content
    assert (asked.role, asked.content) == ("user", "What is the weather in city 1?")
    chosen, rejected = task.responses
    assert chosen == (
        "Assistant: {'name': 'weather', 'arguments': '{}'}\n\nTool: sunny\n\nAssistant: Sunny."
    )
    assert rejected == "Rainy." and task.golds == (0,)
    assert (task.subset, task.id) == ("tool_irrelevance", "tool_irrelevance/u-1")


@pytest.mark.parametrize(
    ("bucket", "split"),
    [
        ("planning_multi_hard", "planning_multi_hard"),
        ("refusal", "safety_refusal"),
        ("irrelevance_unavailable", "tool_irrelevance"),
        ("robust_recovery", "robust_recovery"),
    ],
)
def test_records_of_the_hub_tell_their_split(tmp_path: Path, bucket: str, split: str) -> None:
    write(tmp_path / "train.jsonl", [record(_lcp_bucket=bucket)])
    (task,) = PlanRewardBench(path=tmp_path).tasks()
    assert task.subset == split


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"_lcp_bucket": "cooking"}, "'cooking' is none of planning_multi_easy"),
        ({"chosen": {"messages": []}}, "record 1: chosen: expected text or messages"),
        ({"chosen": {}}, "record 1: .* no column 'messages'"),
        (
            {"reject": {"messages": [turn("user", "Else?")]}},
            "record 1: .* share no prompt",
        ),
        ({"chosen": {"messages": [turn("poet", "Oh")]}}, "record 1: chosen.0.role"),
    ],
)
def test_a_broken_record_is_named(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    write(tmp_path / "train.jsonl", [record(**changes)])
    with pytest.raises(DataError, match=complaint):
        PlanRewardBench(path=tmp_path).tasks()


def test_overall_is_the_mean_of_splits_and_what_is_unreadable_is_one_half(tmp_path: Path) -> None:
    benchmark = published(tmp_path, ["safety_refusal", "tool_irrelevance"])
    right, half = {(0, 1): (1.0, 0.0), (1, 0): (0.0, 1.0)}, {(0, 1): (1.0, 0.0), (1, 0): None}
    tasks = benchmark.tasks()
    found = scores(benchmark, [result(tasks[0], right), *(result(one, half) for one in tasks[1:])])
    assert found["safety_refusal"] == pytest.approx((1 + 0.75) / 2)
    assert found["tool_irrelevance"] == 0.75
    assert found[OVERALL] == pytest.approx((0.875 + 0.75) / 2)
    (note,) = notes(benchmark, [result(one, right) for one in tasks])
    assert "without planning_multi_easy" in note


def test_a_judge_that_prefers_what_comes_first_is_at_chance(tmp_path: Path) -> None:
    benchmark = published(tmp_path)
    found = scores(benchmark, judged(benchmark, always_first))
    assert found[OVERALL] == 0.5 and found["position-consistent accuracy, mean of splits"] == 0.0
