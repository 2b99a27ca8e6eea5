"""Format `rm-r1`: the judge says what kind of request it is, and judges it as that kind needs.

RM-R1 (arXiv 2505.02387, section 3.2): chat is judged by rubrics that the judge sets and justifies;
a request with a right answer is solved first, and the responses are compared with the solution.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import ClassVar, Literal

from j1sdk import Conversation, JudgmentFormat, Presentation, Scores
from j1sdk.formats.pairwise import (
    FAIRNESS,
    PAIRWISE_MARKERS,
    TASK,
    pair,
    verdict_letter,
    verdict_scores,
)
from j1sdk.formats.pairwise_verdict import VERDICT_MARKERS, PairwiseVerdict, verdict_part
from j1sdk.formats.sections import Tag, after, conversation, follows, read_parts, tag

BRANCHES = {"Chat": ("rubric", "justify"), "Reasoning": ("solution",)}
"""What comes between the type of the request and the evaluation."""
TAIL = 80
"""Characters at the end in which the published code looks for a verdict."""
STEPS = """First say what kind of request it is: <type>Reasoning</type> if it has a right answer to
be worked out, as in mathematics, code or logic, and <type>Chat</type> otherwise.

For Chat, write between <rubric> and </rubric> the criteria by which any response to this request
should be judged, each with a weight, and between <justify> and </justify> why these. For Reasoning,
write your own solution between <solution> and </solution> instead.

Then, between <eval> and </eval>, hold both responses against the rubric or the solution, quoting
the passages that decide."""


class RmR1(JudgmentFormat):
    """`<type>..</type>`, a rubric or a solution, `<eval>..</eval> <answer>[[A]]</answer>`."""

    name: ClassVar[str] = "rm-r1"
    arity: ClassVar[Literal[1, 2]] = 2
    markers: ClassVar[tuple[str, ...]] = (
        *PAIRWISE_MARKERS,
        *VERDICT_MARKERS,
        *chain(*map(tag, ("type", "rubric", "justify", "solution", "eval"))),
    )
    lenient: bool = False
    """Read as the published code does: the last verdict in the last 80 characters counts."""

    @property
    def sections(self) -> tuple[Tag, ...]:
        return tuple(map(tag, ("type", "eval", "answer")))

    @property
    def thinking_sections(self) -> tuple[Tag, ...]:
        return (tag("eval"),)

    def adheres(self, text: str) -> bool:
        kind = re.search(r"<type>\s*(Chat|Reasoning)\s*</type>", text)
        names = ("type", *BRANCHES[kind[1]], "eval", "answer") if kind else ()
        return kind is not None and follows(text, [*map(tag, names)])

    def render(self, shown: Presentation) -> Conversation:
        ask = PairwiseVerdict().instructions()
        return conversation("\n\n".join([TASK, STEPS, FAIRNESS, ask, *pair(shown)]))

    def parse(self, text: str) -> Scores:
        answer = text[-TAIL:] if self.lenient else after(text, "eval")
        (letter,) = read_parts(answer, [verdict_part(self.lenient)], self.lenient)
        return verdict_scores(letter)

    def write(self, scores: Scores, thought: str = "") -> str:
        judged = "<type>Chat</type>\n<rubric>\n</rubric>\n<justify>\n</justify>\n"
        answer = f"<answer>[[{verdict_letter(scores)}]]</answer>"
        return f"{judged}<eval>\n{thought}\n</eval>\n{answer}"
