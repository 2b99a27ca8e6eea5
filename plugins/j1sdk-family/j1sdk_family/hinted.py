"""Format `hinted`: the judge is told the verdict, and writes the judgment that arrives at it.

For making data, never for judging: hinted sampling where a judge finds no right verdict by itself
(DeepSeek-GRM, arXiv 2504.02495, section 3.2), and the critic of Think-J (arXiv 2505.14268), which
argues for the right verdict and for the wrong one, so that a judge can prefer one to the other.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from j1sdk import Conversation, JudgmentFormat, Message, Presentation
from j1sdk.data import gold_scores, opposite

KNOWN, END_KNOWN = "[Known answer]", "[End of known answer]"
HINT = f"""The right answer is known, and it is below. Write the whole judgment that arrives at it,
thoughts first, in the form asked for and with reasons from the responses themselves. Do not mention
that you were told.

{KNOWN}
{{answer}}
{END_KNOWN}"""


class Hinted(JudgmentFormat):
    """Wraps a format, and ends its question with the gold verdict, or with the opposite of it."""

    name: ClassVar[str] = "hinted"
    format: JudgmentFormat
    """The format to wrap."""
    verdict: Literal["right", "wrong"] = "right"
    """`wrong` tells the opposite of the gold verdict: how a critic argues for the losing side."""

    # Everything but the question is the wrapped format's affair.
    arity: ClassVar[Any] = property(attrgetter("format.arity"))
    score_range: ClassVar[Any] = property(attrgetter("format.score_range"))
    sections: ClassVar[Any] = property(attrgetter("format.sections"))
    thinking_sections: ClassVar[Any] = property(attrgetter("format.thinking_sections"))
    adheres: ClassVar[Any] = property(attrgetter("format.adheres"))
    parse: ClassVar[Any] = property(attrgetter("format.parse"))
    write: ClassVar[Any] = property(attrgetter("format.write"))

    @property
    def markers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.format.markers, KNOWN, END_KNOWN)

    @field_validator("format")
    @classmethod
    def _check_turns(cls, format: JudgmentFormat) -> JudgmentFormat:
        if not format.single_turn:
            raise ValueError(f"{format.name} has a conversation of its own: wrap another format")
        if format.reads_probabilities:
            raise ValueError('a hint makes its answer probable: set reading = "said"')
        return format

    def render(self, shown: Presentation) -> Conversation:
        scores = gold_scores(shown, self.format)
        if self.verdict == "wrong":
            scores = opposite(scores, self.format)
        *before, last = self.format.render(shown)
        hint = HINT.format(answer=self.format.write(scores))
        return (*before, Message(role=last.role, content=f"{last.content}\n\n{hint}"))
