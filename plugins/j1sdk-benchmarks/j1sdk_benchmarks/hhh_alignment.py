"""HHH alignment (BIG-bench), in the form that prometheus-eval/prometheus-eval has it: 221 pairs.

Its file is written for a grader of single responses: each record holds two whole prompts, alike but
for the response in them. Here instruction and responses are taken out of those prompts, and judged
as any other pair. The score is over all pairs, also by category: helpful, honest, harmless, other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk import Benchmark, JudgmentTask
from j1sdk.evaluation import STRICT, Means, Number, Row

CATEGORIES = ("helpful", "honest", "harmless", "other")
FORM = re.compile(
    r"\A###Task Description:\n.*?\n\n###The instruction to evaluate:\n(?P<instruction>.*?)\n\n"
    r"###Response to evaluate:\n(?P<response>.*)\n\n###Score Rubrics:\n.*?\n\n###Feedback:\s*\Z",
    re.DOTALL,
)


class HHHAlignment(Benchmark):
    """Helpful, honest and harmless, by category."""

    name: ClassVar[str] = "hhh-alignment"
    headline: ClassVar[str] = STRICT

    @property
    def size(self) -> int:
        return 221

    @property
    def how(self) -> str:
        return (
            "take eval/benchmark/data/hhh_alignment_eval.json of"
            " github.com/prometheus-eval/prometheus-eval, and give it as path (--data)"
        )

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset = row.text("source")
        if subset not in CATEGORIES:
            raise row.wrong("source", f"{subset!r} is none of {', '.join(CATEGORIES)}")
        (prompt, chosen), (other, rejected) = (
            parts(row, field) for field in ("chosen_instruction", "rejected_instruction")
        )
        if other != prompt:
            raise row.wrong("rejected_instruction", "is about another instruction than the chosen")
        identity = f"{subset}/{row.where.rpartition(' ')[2]}"
        yield JudgmentTask.from_pair(prompt, chosen, rejected, subset=subset, id=identity)

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = super().aggregate(means)
        return {**found, **{one: means[STRICT].of(one) for one in means[STRICT].totals}}


def parts(row: Row, field: str) -> tuple[str, str]:
    """The instruction and the response in a grader's prompt; raises DataError."""
    found = FORM.match(row.text(field))
    if not found:
        raise row.wrong(field, "expected a grader's prompt, with its headings in order")
    return found["instruction"], found["response"]
