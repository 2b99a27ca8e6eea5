"""Pairs of which exactly one response meets all constraints, in the manner of FollowBenchEval.

EvalPlanner (arXiv 2501.18099, section 3.2) made 205 such pairs of FollowBench's instructions, of
five types and five levels, where a level is the number of constraints. They were never published.
This measures a judge on pairs that the builder `followbench-pairs` made (its pairs.jsonl), or on
any whose subset is `<type>/L<level>`. Figures can be compared between judges on the same pairs, and
not with those in papers. The score is position-consistent accuracy, right in both orders.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk import Benchmark, JudgmentTask
from j1sdk.evaluation import CONSISTENT, Means, Number, Row

SUBSET = re.compile(r"(?P<type>[a-z]+)/(?P<level>L[1-5])")


class FollowBench(Benchmark):
    """Constraint following, by type and level."""

    name: ClassVar[str] = "followbench"
    headline: ClassVar[str] = CONSISTENT

    @property
    def how(self) -> str:
        return (
            "the pairs of FollowBenchEval were never published. Make some with the builder"
            " followbench-pairs, and give its pairs.jsonl as path (--data)"
        )

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset = row.text("subset")
        if not SUBSET.fullmatch(subset):
            raise row.wrong("subset", f"expected <type>/L<level>, such as style/L3, got {subset!r}")
        prompt, chosen, rejected = map(row.text, ("prompt", "chosen", "rejected"))
        yield JudgmentTask.from_pair(prompt, chosen, rejected, subset=subset, id=row.name("id"))

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = super().aggregate(means)
        if CONSISTENT not in means:
            return found
        consistent = means[CONSISTENT]
        named = {subset: SUBSET.fullmatch(subset) for subset in consistent.totals}
        for group in ("level", "type"):
            for name in sorted({match[group] for match in named.values() if match}):
                members = [one for one, match in named.items() if match and match[group] == name]
                found[name] = consistent.micro(members)
        return found
