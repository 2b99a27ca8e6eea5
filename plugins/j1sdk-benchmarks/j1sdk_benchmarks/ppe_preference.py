"""PPE, human preference (lmarena-ai/PPE-Human-Preference-V1): 16,038 votes of Chatbot Arena.

Votes with a winner are judged, ties are left out. The score is the share of pairs on which the
judge names the winner; also by the kinds of prompt that upstream marks, of which a pair may have
several. Papers on J1 and its peers judge each pair in one order, drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from j1sdk import Benchmark, JudgmentTask
from j1sdk.evaluation import STRICT, Means, Number, Row

WINNERS = {"model_a": 0, "model_b": 1}
KINDS = (
    "hard_prompt",
    "easy_prompt",
    "if_prompt",
    "is_code",
    "math_prompt",
    "similar_response",
    "shorter_won",
    "english_prompt",
)
"""Upstream's marks of a pair, where a record has them."""
PLAIN = "no mark"


class PPEPreference(Benchmark):
    """Human preference, ties left out."""

    name: ClassVar[str] = "ppe-preference"
    hub: ClassVar[str] = "lmarena-ai/PPE-Human-Preference-V1"
    headline: ClassVar[str] = STRICT

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        winner = row.text("winner")
        if winner.startswith("tie"):
            return
        if winner not in WINNERS:
            raise row.wrong("winner", f"expected model_a, model_b or a tie, got {winner!r}")
        yield JudgmentTask(
            prompt=row.text("prompt"),
            responses=(row.text("response_1"), row.text("response_2")),
            preferred=WINNERS[winner],
            subset="+".join(kind for kind in KINDS if row.values.get(kind)) or PLAIN,
            id=row.name("question_id"),
        )

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = super().aggregate(means)
        for kind in KINDS:
            subsets = [one for one in means[STRICT].totals if kind in one.split("+")]
            if subsets:
                found[kind] = means[STRICT].micro(subsets)
        return found

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        kept = int(sum(means[STRICT].counts.values()))
        return [f"{kept:,} of the 16,038 votes: those that people called a tie are left out."]
