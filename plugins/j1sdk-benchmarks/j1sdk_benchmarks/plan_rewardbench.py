"""Plan-RewardBench (wyy1112/Plan-RewardBench, arXiv 2604.08178): which agent worked better.

1,171 pairs of trajectories with tool calls, from seven splits. The official score judges each pair
in both orders; a tie or an answer that cannot be read counts one half, and overall is the mean of
the seven splits. As in all data here, the turns that both begin with are the prompt, and what
follows is a response, with its roles. The tools on offer stand before, as in the official prompt:
some splits are about them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from j1sdk import Benchmark, DataError, JudgmentTask
from j1sdk.data import task_of
from j1sdk.evaluation import CONSISTENT, HALF, STRICT, Means, Number, Row

SIZES = {
    "planning_multi_easy": 109,
    "planning_multi_hard": 73,
    "planning_single_easy": 144,
    "planning_single_hard": 158,
    "robust_recovery": 361,
    "safety_refusal": 51,
    "tool_irrelevance": 275,
}
BUCKETS = {
    **{name: name for name in SIZES},
    "refusal": "safety_refusal",
    "irrelevance": "tool_irrelevance",
    "robust": "robust_recovery",
}
"""How a record's own word for its split begins, and the split."""
FIELDS: dict[str, str | tuple[str, ...]] = {
    "chosen": "chosen.messages",
    "rejected": "reject.messages",
}
OVERALL = "overall"


class PlanRewardBench(Benchmark):
    """Plan-RewardBench, by the mean of its splits."""

    name: ClassVar[str] = "plan-rewardbench"
    hub: ClassVar[str] = "wyy1112/Plan-RewardBench"
    headline: ClassVar[str] = OVERALL
    known_subsets: ClassVar[Collection[str]] = tuple(SIZES)

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train",)

    @property
    def size(self) -> int:
        return sum(SIZES.values())

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        split = split_of(row)
        known = {
            **{side: row.values.get(side) for side in ("chosen", "reject")},
            "system": offered(row.values.get("tools")),
            "subset": split,
        }
        try:
            yield task_of(known, f"{split}/{row.name('uuid')}", FIELDS)
        except DataError as error:
            raise DataError(f"{row.where}: {error}") from None

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = {OVERALL: means[HALF].macro(), **super().aggregate(means)}
        for credit in (STRICT, CONSISTENT):
            if credit in means:
                found[f"{credit}, mean of splits"] = means[credit].macro()
        return {**found, **{name: means[HALF].of(name) for name in SIZES if name in means[HALF]}}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        missing = [name for name in SIZES if name not in means[HALF]]
        if not missing:
            return []
        return [f"{OVERALL} is the mean of the splits that there are, without {', '.join(missing)}"]


def split_of(row: Row) -> str:
    """The split of a record: its file's name, or on the hub its bucket; raises DataError."""
    if (stem := Path(row.file).stem) in SIZES:
        return stem
    bucket = row.text("_lcp_bucket")
    if split := next((BUCKETS[name] for name in BUCKETS if bucket.startswith(name)), None):
        return split
    raise row.wrong("_lcp_bucket", f"{bucket!r} is none of {', '.join(BUCKETS)}")


def offered(tools: Any) -> str:
    """The tools that the agent could have called."""
    if not tools:
        return "No tools are available."
    return "Available tools:\n" + json.dumps(tools, ensure_ascii=False)
