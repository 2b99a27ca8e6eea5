"""A judge as a metric of the real lighteval, computed and summed up by its own code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from lighteval.metrics import apply_metric
from lighteval.models.model_output import ModelResponse
from lighteval.tasks.requests import Doc
from pages import blocks, executed, section

from j1sdk import PairwiseScores, Pointwise
from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.lighteval import Lighteval
from j1sdk.testing import AdapterContract, Row, judge_by_rule, worth


def computed(metric: Any, rows: Sequence[Row]) -> list[dict[str, float]]:
    """What lighteval's own code makes of a model's answers, sample by sample."""
    docs = [Doc(query=row.prompt, choices=[row.reference or ""], gold_index=0) for row in rows]
    responses = [ModelResponse(text=[row.response]) for row in rows]
    made: list[dict[str, float]] = apply_metric(responses=responses, docs=docs, metrics=[metric])
    return made


class TestLighteval(AdapterContract):
    component = Lighteval()
    grouped = False

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> list[float | None]:
        scores = [made[scorer.label] for made in computed(adapter.reward_function(scorer), rows)]
        return [None if math.isnan(score) else score for score in scores]


def corpus(metric: Any, rows: Sequence[Row]) -> dict[str, float]:
    """The two figures of an evaluation."""
    made = computed(metric, rows)
    return {
        name: metric.get_corpus_aggregations()[name]([sample[name] for sample in made])
        for name in metric.metric_name
    }


def test_what_has_no_score_is_left_out_of_the_mean_and_counted() -> None:
    metric = judge_by_rule(Pointwise()).as_reward_function("lighteval")
    figures = corpus(metric, worth(3, 6, "?", 9))
    assert figures == {"judge_pointwise": pytest.approx(0.6), "j1/unscored": 0.25}


def test_nothing_scored_is_no_mean() -> None:
    figures = corpus(judge_by_rule(Pointwise()).as_reward_function("lighteval"), worth("?", "?"))
    assert math.isnan(figures["judge_pointwise"]) and figures["j1/unscored"] == 1


def test_a_pairwise_judge_compares_with_the_gold_answer() -> None:
    metric = judge_by_rule(PairwiseScores()).as_reward_function("lighteval")
    rows = [Row(f"It is worth {value}.", reference="It is worth 4.") for value in (3, 4, 9)]
    assert [made["judge_pairwise_scores"] for made in computed(metric, rows)] == [0.0, 0.5, 1.0]


def test_the_page_s_code_runs() -> None:
    (code,) = blocks(section("frameworks", "lighteval"), "python")
    assert executed(code, judge=judge_by_rule(Pointwise()))["metric"]
