"""EvalBiasBench (ncsoft/offsetbias): 80 pairs, each made to trip a judge by one of six biases.

The file's first response is always the better one, so a judge that prefers what comes first is
right on all of them in that order. Upstream judges both orders and reports, by bias, the accuracy
over orders, the share of pairs that are right in both, and how often the orders agree: two ties
do, an unreadable verdict never does. The figures over all 80 pairs are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk import Benchmark, JudgeResult, JudgmentTask
from j1sdk.evaluation import CONSISTENT, STRICT, Credits, Means, Number, Outcome, Row, outcomes

AGREEMENT = "agreement between orders"


class EvalBiasBench(Benchmark):
    """EvalBiasBench, by bias."""

    name: ClassVar[str] = "eval-bias-bench"
    headline: ClassVar[str] = STRICT

    @property
    def size(self) -> int:
        return 80

    @property
    def how(self) -> str:
        return (
            "take data/evalbiasbench/biasbench.json of github.com/ncsoft/offsetbias, and give it as"
            " path (--data)"
        )

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset, label = row.text("bias"), row.whole("label")
        if label not in (1, 2):
            raise row.wrong("label", f"expected 1 or 2, got {label}")
        yield JudgmentTask(
            prompt=row.text("instruction"),
            responses=(row.text("response1"), row.text("response2")),
            preferred=label - 1,
            subset=subset,
            id=f"{subset}/{row.where.rpartition(' ')[2]}",
        )

    def credits(self, result: JudgeResult) -> Credits:
        ended = outcomes(result)
        same = len(set(ended.values())) == 1 and Outcome.FAILED not in ended.values()
        agreed = float(same) if len(ended) > 1 else None
        return {**super().credits(result), AGREEMENT: agreed}

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = super().aggregate(means)
        for words, credit in (("", STRICT), (", position-consistent", CONSISTENT)):
            if credit in means:
                subsets = means[credit].totals
                found |= {f"{one}{words}": means[credit].of(one) for one in subsets}
        return found
