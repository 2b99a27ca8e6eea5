"""RM-Bench (THU-KEG/RM-Bench): 1,327 prompts, each with three right and three wrong responses.

Both come in three styles: concise, detailed in plain text, detailed in Markdown. Each right
response against each wrong one are nine cells. Those in which the wrong one has the fancier style
are hard, those of one style normal, the rest easy; a cell is won by a strictly higher score. A
domain's score is the mean of its three difficulties, overall that of the four domains, and so is
each difficulty. The two sorts of safety prompts are one domain.

A pairwise judge is shown the cells, in both orders; then a cell's credit is the mean of the two, or
for the position-consistent scores (EvalPlanner) whether both are right. J1 reports 3,981
comparisons, which is three per prompt, without saying which; `cells = "same style"` has as many,
those of normal difficulty, but no official score.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import ClassVar, Literal

from j1sdk import Benchmark, JudgeResult, JudgmentTask
from j1sdk.evaluation import (
    CONSISTENT,
    STRICT,
    Credits,
    Means,
    Number,
    Row,
    mean_credits,
    pair_credits,
    view_of,
)

STYLES = 3
DOMAINS = {
    "chat": ("chat",),
    "code": ("code",),
    "math": ("math",),
    "safety": ("safety-refuse", "safety-response"),
}
"""The subsets of each domain."""
SUBSETS = tuple(subset for subsets in DOMAINS.values() for subset in subsets)
DIFFICULTIES = ("hard", "normal", "easy")
READINGS = {"": STRICT, ", position-consistent": CONSISTENT}
"""What a cell's two orders come to; the first is the official one."""
TOTAL = "total_dataset.json"
"""The file of the repository that repeats all others."""
Cell = tuple[int, int]


class RMBench(Benchmark):
    """RM-Bench, by the averages of its leaderboard."""

    name: ClassVar[str] = "rm-bench"
    hub: ClassVar[str] = "THU-KEG/RM-Bench"
    headline: ClassVar[str] = "overall"
    known_subsets: ClassVar[Collection[str]] = SUBSETS
    cells: Literal["all", "same style"] = "all"
    """What a pairwise judge is shown of a prompt: nine comparisons, or three."""

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train",)

    @property
    def size(self) -> int:
        return 1327

    def rows(self) -> Iterator[Row]:
        """The records; of the repository's folder, those of the file that has all of them."""
        total = self.path and self.path / TOTAL
        whole = self.model_copy(update={"path": total}) if total and total.is_file() else self
        return super(RMBench, whole).rows()

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset = domain_of(row)
        chosen, rejected = row.texts("chosen"), row.texts("rejected")
        for field, responses in (("chosen", chosen), ("rejected", rejected)):
            if len(responses) != STYLES:
                raise row.wrong(field, f"expected {STYLES} responses, got {len(responses)}")
        yield JudgmentTask(
            prompt=row.text("prompt"),
            responses=(*chosen, *rejected),
            preferred=0,
            ratings=(1.0,) * STYLES + (0.0,) * STYLES,
            subset=subset,
            id=f"{subset}/{row.name('id')}",
        )

    def matches(self, task: JudgmentTask) -> Iterable[tuple[int, int]]:
        shown = cells() if self.cells == "all" else [(style, style) for style in range(STYLES)]
        return [(chosen, STYLES + rejected) for chosen, rejected in shown]

    def credits(self, result: JudgeResult) -> Credits:
        """Those of the pairs; and for each difficulty, the mean over its cells."""
        found = {cell: view_of(result, cell[0], STYLES + cell[1]) for cell in cells()}
        known = {cell: pair_credits(view) for cell, view in found.items() if view is not None}
        own: Credits = {}
        for difficulty in DIFFICULTIES:
            mean = mean_credits([one for at, one in known.items() if hardness(at) == difficulty])
            own |= {
                cell_credit(difficulty, credit): mean.get(credit) for credit in (STRICT, CONSISTENT)
            }
        return {**mean_credits(list(known.values())), **own}

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for words, credit in READINGS.items():
            found |= {f"{name}{words}": one for name, one in averages(means, credit).items()}
        own = {cell_credit(one, credit) for one in DIFFICULTIES for credit in READINGS.values()}
        general = {name: mean for name, mean in means.items() if name not in own}
        return {**found, **super().aggregate(general)}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        known = averages(means, STRICT)
        if "overall" in known:
            return []
        missing = [name for name in (*DOMAINS, *DIFFICULTIES) if name not in known]
        return [f"No overall score: {', '.join(missing)} not known."]


def cells() -> list[Cell]:
    """All (style of the right response, style of the wrong one)."""
    return [(chosen, rejected) for chosen in range(STYLES) for rejected in range(STYLES)]


def hardness(cell: Cell) -> str:
    """The difficulty of a cell."""
    chosen, rejected = cell
    return "normal" if chosen == rejected else "hard" if chosen < rejected else "easy"


def cell_credit(difficulty: str, credit: str) -> str:
    """What a credit is called over the cells of one difficulty."""
    return f"{credit}, {difficulty} cells"


def averages(means: Mapping[str, Means], credit: str) -> dict[str, Number]:
    """The official averages: overall, of domains, of difficulties; those that are known."""
    table = {
        (domain, difficulty): means[name].micro(subsets)
        for domain, subsets in DOMAINS.items()
        for difficulty in DIFFICULTIES
        if (name := cell_credit(difficulty, credit)) in means
        and any(subset in means[name] for subset in subsets)
    }
    rows = {domain: [(domain, one) for one in DIFFICULTIES] for domain in DOMAINS}
    columns = {one: [(domain, one) for domain in DOMAINS] for one in DIFFICULTIES}
    whole = {"overall": [place for row in rows.values() for place in row]}
    return {
        name: sum(table[place] for place in places) / len(places)
        for name, places in {**whole, **rows, **columns}.items()
        if table.keys() >= set(places)
    }


def domain_of(row: Row) -> str:
    """The domain of a record; of a split file, that in its name. Raises DataError."""
    named = re.search(r"([\w-]+)_filtered\.json, ", row.where)
    domain = row.text("domain") if "domain" in row.values or not named else named[1]
    if domain not in SUBSETS:
        raise row.wrong("domain", f"{domain!r} is none of {', '.join(SUBSETS)}")
    return domain
