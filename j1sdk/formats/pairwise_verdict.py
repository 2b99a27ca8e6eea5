"""PaV: think, then name the better response (J1, section 2; the paper's default)."""

from __future__ import annotations

import re
from typing import ClassVar

from j1sdk.errors import Unparseable
from j1sdk.formats.pairwise import PAIRWISE_MARKERS, Pairwise, verdict_letter, verdict_scores
from j1sdk.formats.sections import Tag, only, readings, tag
from j1sdk.types import Scores

VERDICT = r"\[\[\s*([AB])\s*\]\]"
BARE_VERDICT = r"\[\[([AB])\]\]"  # without tags, only what quoting breaks in a response may count
VERDICT_MARKERS = (*tag("answer"), "[[A]]", "[[B]]")


class PairwiseVerdict(Pairwise):
    """`<think>..</think> <answer>[[A]]</answer>`; reads to (1, 0) or (0, 1)."""

    name: ClassVar[str] = "pairwise-verdict"
    markers: ClassVar[tuple[str, ...]] = (*PAIRWISE_MARKERS, *VERDICT_MARKERS)

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, tag("answer"))

    def instructions(self) -> str:
        return (
            "After that, give your verdict and nothing else: <answer>[[A]]</answer> if the"
            " response of assistant A is better, <answer>[[B]]</answer> if that of assistant B is."
        )

    def parse(self, text: str) -> Scores:
        return verdict_scores(self.verdict(self.answer(text)))

    def verdict(self, answer: str) -> str:
        """A or B; raises Unparseable. A lenient reading needs no answer tags."""
        if not self.lenient:
            return only(readings(answer, "answer", VERDICT), "the verdict", lenient=False)
        if not (found := re.findall(BARE_VERDICT, answer)):
            raise Unparseable("no [[A]] or [[B]] anywhere")
        return str(found[-1])

    def write(self, scores: Scores, thought: str = "") -> str:
        return f"{self.thought(thought)}<answer>[[{verdict_letter(scores)}]]</answer>"
