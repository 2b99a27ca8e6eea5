"""PaV: think, then name the better response (J1, section 2; the paper's default)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from j1sdk.formats.pairwise import (
    PAIRWISE_MARKERS,
    VERDICTS,
    Pairwise,
    expected_verdict,
    verdict_letter,
    verdict_scores,
)
from j1sdk.formats.probabilities import Choice, Probabilities
from j1sdk.formats.sections import Part, Tag, opening_of, read_parts, section, tag
from j1sdk.types import Scores

VERDICT = re.compile(r"\[\[\s*([AB])\s*\]\]")
BARE_VERDICT = re.compile(r"\[\[([AB])\]\]")  # untagged: only what quoting breaks in a response
BARE_ATTEMPT = re.compile(rf"\[\s*\[|{opening_of('answer').pattern}", re.IGNORECASE)
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

    @property
    def choices(self) -> Sequence[Choice]:
        return (VERDICTS,)

    def expect(self, found: Sequence[Probabilities]) -> Scores:
        return expected_verdict(found[0])

    def parse(self, text: str) -> Scores:
        (letter,) = read_parts(self.answer(text), [verdict_part(self.lenient)], self.lenient)
        return verdict_scores(letter)

    def write(self, scores: Scores, thought: str = "") -> str:
        return f"{self.thought(thought)}<answer>[[{verdict_letter(scores)}]]</answer>"


def verdict_part(lenient: bool) -> Part:
    """The verdict, A or B; a lenient reading needs no answer tags around it."""
    if lenient:
        return Part("[[A]] or [[B]]", BARE_VERDICT, BARE_ATTEMPT, str)
    return section("answer", lambda text: match[1] if (match := VERDICT.fullmatch(text)) else None)
