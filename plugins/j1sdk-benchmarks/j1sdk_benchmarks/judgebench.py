"""JudgeBench (ScalerLab/JudgeBench): pairs with objectively one right answer.

350 pairs of gpt-4o's responses and 270 of claude-3.5-sonnet's, from four categories. The official
score judges each pair in both orders; an order with the right verdict counts 1, with the wrong one
-1, a tie or an unreadable verdict 0, and the pair is right if the sum is above 0. So right and tied
is right. Papers on thinking judges (EvalPlanner, J1) report the stricter position-consistent
accuracy, right in both orders; some reward models the mean of the four categories instead of that
over pairs. A pointwise judge's tie is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import ClassVar, Literal

from j1sdk import Benchmark, JudgmentTask
from j1sdk.evaluation import CONSISTENT, SUM_RULE, Means, Number, Row

CATEGORIES = {
    "mmlu-pro": "Knowledge",
    "livebench-reasoning": "Reasoning",
    "livebench-math": "Math",
    "livecodebench": "Coding",
}
"""What a pair's source begins with, and its category."""
LABELS = {"A>B": 0, "B>A": 1}
SIZES = {"gpt": 350, "claude": 270}


class JudgeBench(Benchmark):
    """JudgeBench, by its sum rule over pairs."""

    name: ClassVar[str] = "judgebench"
    hub: ClassVar[str] = "ScalerLab/JudgeBench"
    headline: ClassVar[str] = SUM_RULE
    known_subsets: ClassVar[Collection[str]] = tuple(CATEGORIES.values())
    responses: Literal["gpt", "claude"] = "gpt"
    """Whose responses are judged: one of the two splits."""

    @property
    def splits(self) -> tuple[str, ...]:
        return (self.responses,)

    @property
    def size(self) -> int:
        return SIZES[self.responses]

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        if not row.text("response_model").startswith(self.responses):
            return
        label = row.text("label")
        if label not in LABELS:
            raise row.wrong("label", f"expected {' or '.join(LABELS)}, got {label!r}")
        yield JudgmentTask(
            prompt=row.text("question"),
            responses=(row.text("response_A"), row.text("response_B")),
            preferred=LABELS[label],
            subset=category(row),
            id=row.name("pair_id"),
        )

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = super().aggregate(means)
        for credit in (SUM_RULE, CONSISTENT):
            if credit in means:
                found[f"{credit}, mean of categories"] = means[credit].macro()
        official = means[SUM_RULE]
        names = [name for name in CATEGORIES.values() if name in official]
        return {**found, **{name: official.of(name) for name in names}}


def category(row: Row) -> str:
    """The category of a record, by its source; raises DataError."""
    source = row.text("source")
    for beginning, name in CATEGORIES.items():
        if source.startswith(beginning):
            return name
    raise row.wrong("source", f"{source!r} begins with none of {', '.join(CATEGORIES)}")
