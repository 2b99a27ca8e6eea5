"""Format `budget-forcing`: the judge is made to go on thinking, and gives a verdict each round.

When the judge ends its thinking, its verdict is asked for and noted. Then the end is taken back,
and a word such as "Wait" makes the judge go on (s1, arXiv 2501.19393; J1-7B, arXiv 2505.11875).
"""

from __future__ import annotations

from collections.abc import Generator
from operator import attrgetter
from typing import Any, ClassVar

from pydantic import Field, field_validator

from j1sdk.errors import JudgmentError
from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.formats.thinking import ThinkingFormat
from j1sdk.types import Completion, Conversation, Message, Presentation, Scores


class BudgetForcing(JudgmentFormat):
    """Wraps a format whose answer follows a thinking block. The last round's verdict counts."""

    name: ClassVar[str] = "budget-forcing"
    format: ThinkingFormat
    """The format to wrap; its answer follows a thinking block."""
    wait: str = Field(default="\nWait", min_length=1)
    """Put where the thinking ended, to make the judge go on."""
    rounds: int = Field(default=2, ge=1)
    """Verdicts at most; 1 only bounds the thinking."""
    round_tokens: int = Field(default=2048, ge=1)
    """Thinking of one round, at most."""
    total_tokens: int = Field(default=8192, ge=1)
    """Thinking of all rounds together; what `wait` says is not counted."""
    answer_tokens: int = Field(default=128, ge=1)
    """Length of each round's verdict, at most."""

    # Everything but the conversation is the wrapped format's affair.
    arity: ClassVar[Any] = property(attrgetter("format.arity"))
    markers: ClassVar[Any] = property(attrgetter("format.markers"))
    score_range: ClassVar[Any] = property(attrgetter("format.score_range"))
    sections: ClassVar[Any] = property(attrgetter("format.sections"))
    render: ClassVar[Any] = property(attrgetter("format.render"))
    parse: ClassVar[Any] = property(attrgetter("format.parse"))
    write: ClassVar[Any] = property(attrgetter("format.write"))

    @field_validator("format")
    @classmethod
    def _check_turns(cls, format: ThinkingFormat) -> ThinkingFormat:
        if not format.single_turn:
            raise ValueError(f"{format.name} has a conversation of its own: wrap another format")
        if not format.thinking_sections:
            raise ValueError(f'{format.name} is not to think: set thinking = "think"')
        if format.reads_probabilities:
            raise ValueError('what was forced is read as it was said: set reading = "said"')
        return format

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        asked, end = self.render(shown), self.format.thinking_sections[-1][1]
        thought, written, left, read = "", "", self.total_tokens, list[Scores | None]()
        while len(read) < self.rounds and left > 0:
            thought += self.wait if read else ""
            limit = min(self.round_tokens, left)
            more = yield Turn(say=_begun(asked, thought), stop=(end,), max_new_tokens=limit)
            thought, left = thought + more.text.removesuffix(end), left - more.completion_tokens
            told = _begun(asked, thought + end)
            answer = yield Turn(say=told, max_new_tokens=self.answer_tokens)
            written = answer.opened + thought + end + answer.text
            read.append(self._verdict(written))
        return Reading(scores=self.parse(written), rounds=tuple(read))

    def _verdict(self, text: str) -> Scores | None:
        try:
            return self.format.parse(text)
        except JudgmentError:
            return None


def _begun(asked: Conversation, text: str) -> Conversation:
    """The question, and what is put in the judge's mouth."""
    return (*asked, Message(role="assistant", content=text)) if text else asked
