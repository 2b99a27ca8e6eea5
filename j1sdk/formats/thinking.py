"""What every built-in format shares: thinking first, then an answer that alone counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal, Self

from pydantic import Field, model_validator

from j1sdk.errors import Unparseable
from j1sdk.formats import JudgmentFormat, Reading
from j1sdk.formats.probabilities import Choice, Probabilities, probabilities
from j1sdk.formats.sections import Tag, after, opening_of, tag, transcript, unmasked
from j1sdk.types import Completion, Presentation, Scores

REQUEST, END_REQUEST = "[Request]", "[End of request]"
REFERENCE, END_REFERENCE = "[Reference answer]", "[End of reference answer]"
MARKERS = (
    *(mark for name in ("think", "plan", "execution") for mark in tag(name)),
    REQUEST,
    END_REQUEST,
    REFERENCE,
    END_REFERENCE,
)
PLAN = (
    "First write an evaluation plan between <plan> and </plan>: from the request alone, the"
    " criteria and the steps by which any response to it should be checked. Then carry the plan"
    " out between <execution> and </execution>, step by step."
)

AT_ONCE = "Do not write any thinking down: answer at once."


def case(shown: Presentation) -> list[str]:
    """What the responses are to be judged by: the request, and a reference answer if there is."""
    request = f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}"
    if not shown.task.reference:
        return [request]
    return [request, f"{REFERENCE}\n{shown.task.reference}\n{END_REFERENCE}"]


class ThinkingFormat(JudgmentFormat):
    """A format whose answer follows a thinking block."""

    thinking: Literal["think", "plan", "none"] = "think"
    """`plan` asks for an evaluation plan and then its execution, as EvalPlanner does; `none` for
    the answer alone, which is quick, and what a server needs that switches thinking off."""
    lenient: bool = False
    """Count answers inside the thinking, and the last of several that differ."""
    reading: Literal["said", "expected"] = "said"
    """`expected` makes scores of the probabilities of all answers that could have been given: of
    a verdict, that of each response; of a score, the mean level. Needs `sampling.top_logprobs`."""
    most_unreadable: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Where more of the probability than this went to no answer, `expected` reads none."""

    @model_validator(mode="after")
    def _check_reading(self) -> Self:
        if self.reads_probabilities and (self.lenient or not self.choices):
            why = "a lenient reading has none" if self.lenient else f"{self.name} has none"
            raise ValueError(f'reading "expected" needs answers with probabilities, and {why}')
        return self

    @property
    def reads_probabilities(self) -> bool:
        return self.reading == "expected"

    @property
    def choices(self) -> Sequence[Choice]:
        """The parts of an answer that are one of several texts; none where that is not so."""
        return ()

    def expect(self, found: Sequence[Probabilities]) -> Scores:
        """The scores that the probabilities of each choice come to."""
        raise NotImplementedError(f"{self.name} has no expected scores")

    def read(self, completion: Completion) -> Reading:
        said = super().read(completion)
        if self.reads_probabilities:
            return self._expected(completion)
        with suppress(Unparseable):  # they are told where they are known
            if completion.tokens:
                return said.replace(probabilities=self._probabilities(completion))
        return said

    def _probabilities(self, completion: Completion) -> tuple[dict[str, float], ...]:
        return tuple(dict(probabilities(completion, choice)) for choice in self.choices)

    def _expected(self, completion: Completion) -> Reading:
        found = self._probabilities(completion)
        if (lost := 1 - min(sum(chances.values()) for chances in found)) > self.most_unreadable:
            raise Unparseable(f"{lost:.0%} of the probability went to no answer")
        return Reading(scores=self.expect(found), probabilities=found)

    @property
    def thinking_sections(self) -> tuple[Tag, ...]:
        return tuple(map(tag, self._thinking_names))

    @property
    def _thinking_names(self) -> tuple[str, ...]:
        return {"think": ("think",), "plan": ("plan", "execution"), "none": ()}[self.thinking]

    def asked(self, think: str, instructions: str) -> tuple[str, str]:
        """How to think, of which `think` is the format's own way, and what answer to give then."""
        if self.thinking == "none":
            return AT_ONCE, re.sub("After that, (.)", lambda then: then[1].upper(), instructions)
        return think if self.thinking == "think" else PLAN, instructions

    def answer(self, text: str) -> str:
        """The part of the judge's text in which an answer counts; raises Unparseable.

        A judge that thinks though it was not asked to, or whose template has it think, has to end.
        """
        if self.lenient:
            return text
        if names := self._thinking_names:
            return after(text, *names)
        if not opening_of("think").search(unmasked(text)):
            return text
        if (opening := tag("think")[0]) not in text:
            raise Unparseable(f"what looks like {opening} is none: where it ends cannot be said")
        return after(text, "think")

    def thought(self, thought: str) -> str:
        """A thinking block that holds `thought`, for `write`; none where no thinking is asked."""
        if self.thinking == "none":
            return ""
        *empty, (opening, closing) = self.thinking_sections
        return "".join(f"{a}\n{b}\n" for a, b in empty) + f"{opening}\n{thought}\n{closing}\n"
