"""What every built-in format shares: thinking first, then an answer that alone counts."""

from __future__ import annotations

from typing import Literal

from j1sdk.formats import JudgmentFormat
from j1sdk.formats.sections import Tag, after, tag, transcript
from j1sdk.types import Presentation

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


def case(shown: Presentation) -> list[str]:
    """What the responses are to be judged by: the request, and a reference answer if there is."""
    request = f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}"
    if not shown.task.reference:
        return [request]
    return [request, f"{REFERENCE}\n{shown.task.reference}\n{END_REFERENCE}"]


class ThinkingFormat(JudgmentFormat):
    """A format whose answer follows a thinking block."""

    thinking: Literal["think", "plan"] = "think"
    """`plan` asks for an evaluation plan and then its execution, as EvalPlanner does."""
    lenient: bool = False
    """Count answers inside the thinking, and the last of several that differ."""

    @property
    def thinking_sections(self) -> tuple[Tag, ...]:
        return tuple(map(tag, self._thinking_names))

    @property
    def _thinking_names(self) -> tuple[str, ...]:
        return ("think",) if self.thinking == "think" else ("plan", "execution")

    def answer(self, text: str) -> str:
        """The part of the judge's text in which an answer counts; raises Unparseable."""
        return text if self.lenient else after(text, *self._thinking_names)

    def thought(self, thought: str) -> str:
        """A thinking block that holds `thought`, for `write`."""
        *empty, (opening, closing) = self.thinking_sections
        return "".join(f"{a}\n{b}\n" for a, b in empty) + f"{opening}\n{thought}\n{closing}\n"
