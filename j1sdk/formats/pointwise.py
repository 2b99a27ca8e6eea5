"""PoS: think, then score one response by itself (J1, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from j1sdk.formats.probabilities import Choice, Probabilities, expected_level
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import Tag, conversation, read_parts, tag
from j1sdk.formats.thinking import MARKERS, ThinkingFormat, case
from j1sdk.types import Conversation, Presentation, Scores

RESPONSE, END_RESPONSE = "[Response]", "[End of response]"
TASK = (
    "You are an impartial judge. An AI assistant was given the request below. Score its response."
    " You will see other responses to the same request, one at a time; score each by itself, so"
    " that the scores can be compared."
)
THINK = (
    "First think it through between <think> and </think>. Settle on the criteria that matter for"
    " this request. Picture the ideal response, with an example of it where you can. Then compare"
    " the response with it."
)


class Pointwise(ScoreRange, ThinkingFormat):
    """`<think>..</think> <score>7.5</score>`; reads to (7.5,)."""

    name: ClassVar[str] = "pointwise"
    arity: ClassVar[Literal[1, 2]] = 1
    markers: ClassVar[tuple[str, ...]] = (*MARKERS, *tag("score"), RESPONSE, END_RESPONSE)

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, tag("score"))

    def render(self, shown: Presentation) -> Conversation:
        parts = [TASK, *self.asked(THINK, self.instructions()), *case(shown)]
        parts.append(f"{RESPONSE}\n{shown.responses[0]}\n{END_RESPONSE}")
        return conversation("\n\n".join(parts))

    def instructions(self) -> str:
        """What answer to give after thinking."""
        return (
            f"After that, give a score from {self.low:g} to {self.high:g}, with at most one"
            " decimal; higher is better. Give the score and nothing else: <score>number</score>"
        )

    @property
    def choices(self) -> Sequence[Choice]:
        return (self.levels("score"),)

    def expect(self, found: Sequence[Probabilities]) -> Scores:
        return (expected_level(found[0]),)

    def parse(self, text: str) -> Scores:
        (score,) = read_parts(self.answer(text), [self.score_part("score")], self.lenient)
        return (self.check_score(score, "score"),)

    def write(self, scores: Scores, thought: str = "") -> str:
        (score,) = scores
        return self.thought(thought) + self.write_score(score, "score")
