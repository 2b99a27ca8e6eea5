"""A judge as a metric of lighteval.

    LightevalTaskConfig(..., metrics=[judge.as_reward_function("lighteval")])

A pointwise judge scores the model's answer, with the gold choice as a reference answer if there is
one; a pairwise judge compares the answer with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Item, Scorer
from j1sdk.adapters.answers import conversation, final_answer
from j1sdk.adapters.scores import UNSCORED_RATE, settled
from j1sdk.background import run


class Lighteval(Adapter):
    """Two metrics: the judge's mean score over what it scored, and the share it did not score."""

    name: ClassVar[str] = "lighteval"
    title: ClassVar[str] = "lighteval"
    distribution: ClassVar[str] = "lighteval"
    tested: ClassVar[str] = "0.13.0"
    one_per_worker: ClassVar[bool] = False
    unscored: Literal["drop", "neutral", "floor", "error"] = "drop"
    """What an answer without a score gets: `drop` leaves it out of the mean; 0.5; 0; an
    UnscoredError, which ends the evaluation."""

    def reward_function(self, scorer: Scorer) -> Any:
        try:
            from lighteval.metrics.metrics_sample import SampleLevelComputation
            from lighteval.metrics.utils.metric_utils import SampleLevelMetricGrouping
            from lighteval.tasks.requests import SamplingMethod
        except ImportError as error:
            raise self.absent() from error

        class Judged(SampleLevelComputation):  # type: ignore[misc] # which is not typed
            def compute(_, doc: Any, model_response: Any, **options: Any) -> dict[str, float]:
                return self._scores(scorer, doc, model_response)

        names = [scorer.label, UNSCORED_RATE]
        return SampleLevelMetricGrouping(
            metric_name=names,
            higher_is_better={scorer.label: True, UNSCORED_RATE: False},
            category=SamplingMethod.GENERATIVE,
            sample_level_fn=Judged(),
            corpus_level_fn={scorer.label: mean_of_scored, UNSCORED_RATE: fmean},
        )

    def _scores(self, scorer: Scorer, doc: Any, response: Any) -> dict[str, float]:
        golds = doc.get_golds()
        item = Item(
            conversation(doc.query),
            final_answer(response.text[0], self.show_thinking),
            golds[0] if golds and golds[0] else None,
        )
        (outcome,) = run(scorer.score([item]))
        (score,) = settled([outcome], self.unscored)
        missing = float(outcome.score is None)
        return {scorer.label: math.nan if score is None else score, UNSCORED_RATE: missing}


def mean_of_scored(scores: Sequence[float]) -> float:
    """The mean of what is no NaN, and NaN where nothing else is."""
    scored = [score for score in scores if not math.isnan(score)]
    return fmean(scored) if scored else math.nan
