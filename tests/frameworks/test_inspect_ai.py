"""A judge as a scorer of the real Inspect, whose own `eval` runs it over a sample set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from inspect_ai import Task
from inspect_ai import eval as evaluated
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.solver import generate
from pages import blocks, executed, section

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.inspect_ai import InspectAI
from j1sdk.errors import UnscoredError
from j1sdk.testing import AdapterContract, Row, judge_by_rule, worth


class Bytes:
    """tiktoken downloads its encodings; Inspect only counts tokens with one."""

    def encode(self, text: str, **options: Any) -> list[int]:
        return list(text.encode())


@pytest.fixture(autouse=True)
def _without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: Bytes())
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: Bytes())
    monkeypatch.chdir(tmp_path)


def run(scorer: Any, rows: Sequence[Row]) -> Any:
    """Inspect's log of an evaluation in which a model answers these, one after the other."""
    outputs = [ModelOutput.from_content("mockllm/model", row.response) for row in rows]
    samples = [Sample(input=row.prompt, target=row.reference or "") for row in rows]
    model = get_model("mockllm/model", custom_outputs=outputs)
    (log,) = evaluated(
        Task(dataset=samples, solver=generate(), scorer=scorer),
        model=model,
        log_dir="logs",
        max_connections=1,
        max_samples=1,
        display="none",
    )
    return log


def values(log: Any) -> list[float | None]:
    """The score of each sample; None where Inspect counts it as unscored."""
    if log.status != "success":
        raise UnscoredError(log.error.message)
    scores = [next(iter(sample.scores.values())) for sample in log.samples]
    return [None if score.reason else float(score.value) for score in scores]


class TestInspect(AdapterContract):
    component = InspectAI()
    grouped = False

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> list[float | None]:
        return values(run(adapter.reward_function(scorer), rows))


def test_what_has_no_score_is_left_out_of_the_metrics_and_counted() -> None:
    reward = judge_by_rule(Pointwise()).as_reward_function("inspect-ai")
    (score,) = run(reward, worth(3, 6, "?", 9)).results.scores
    assert (score.scored_samples, score.unscored_samples) == (3, 1)
    assert score.metrics["mean"].value == pytest.approx(0.6)


def test_nothing_scored_is_no_mean_of_zero() -> None:
    reward = judge_by_rule(Pointwise()).as_reward_function("inspect-ai")
    (score,) = run(reward, worth("?", "?")).results.scores
    assert (score.scored_samples, score.unscored_samples) == (0, 2)
    assert math.isnan(score.metrics["mean"].value)


def test_a_pairwise_judge_compares_with_the_target() -> None:
    reward = judge_by_rule(PairwiseScores()).as_reward_function("inspect-ai")
    rows = [Row(f"It is worth {value}.", reference="It is worth 4.") for value in (3, 4, 9)]
    assert values(run(reward, rows)) == [0.0, 0.5, 1.0]


def test_the_page_s_code_runs() -> None:
    (code,) = blocks(section("frameworks", "Inspect"), "python")
    assert executed(code, judge=judge_by_rule(Pointwise()))["task"]
