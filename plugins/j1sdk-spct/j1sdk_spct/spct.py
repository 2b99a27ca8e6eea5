"""Formats `spct` and `spct-single`: the judge sets its own principles, criticises, then scores.

After self-principled critique tuning (DeepSeek-GRM, arXiv 2504.02495), on two responses or one.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import ClassVar, Literal

from j1sdk import (
    Conversation,
    OutOfRange,
    Presentation,
    Scores,
)
from j1sdk.formats.pairwise import FAIRNESS, FENCES, pair
from j1sdk.formats.pointwise import END_RESPONSE, RESPONSE
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import (
    Part,
    Tag,
    after,
    attempt_at,
    conversation,
    read_parts,
    section,
    tag,
)
from j1sdk.formats.thinking import MARKERS, case

SECTIONS = tuple(map(tag, ("principles", "critique", "scores")))
NUMBER = r"[-+]?[0-9]+"
BOX = re.compile(r"\\boxed\{([^{}]*)\}")
BOX_ATTEMPT = attempt_at(r"\boxed")
TASK = """You are an impartial judge of {what} to one request.

Between <principles> and </principles>, state the principles by which any response to this very
request should be judged, each with its weight in percent; the weights add up to 100. Principles
of one request need not suit another.

Between <critique> and </critique>, hold {each} against every principle. Name what {each} does well
and badly, quoting the passage that shows it."""


class SpctSingle(ScoreRange):
    r"""`<principles>..</principles> <critique>..</critique> <scores>\boxed{8}</scores>`."""

    name: ClassVar[str] = "spct-single"
    arity: ClassVar[Literal[1, 2]] = 1
    markers: ClassVar[tuple[str, ...]] = (
        *MARKERS,
        *chain(*FENCES, *SECTIONS),
        RESPONSE,
        END_RESPONSE,
        r"\boxed",
    )
    low: int = 1
    """The lowest score a judge may give."""
    high: int = 10
    """The highest score a judge may give."""
    lenient: bool = False
    """Count the last box anywhere, in or out of its section."""

    @property
    def sections(self) -> tuple[Tag, ...]:
        return SECTIONS

    @property
    def thinking_sections(self) -> tuple[Tag, ...]:
        return SECTIONS[:2]

    def render(self, shown: Presentation) -> Conversation:
        response = f"{RESPONSE}\n{shown.responses[0]}\n{END_RESPONSE}"
        task = TASK.format(what="a response", each="the response")
        asked = [task, self.instructions("the score"), *case(shown), response]
        return conversation("\n\n".join(asked))

    def instructions(self, boxed: str) -> str:
        """What answer to give after the critique."""
        numbers = f"Then give whole numbers from {self.low} to {self.high}; higher is better, and"
        return rf"{numbers} nothing else follows: <scores>\boxed{{{boxed}}}</scores>"

    def parse(self, text: str) -> Scores:
        scores: Scores
        if self.lenient:
            part = Part("box with the scores", BOX, BOX_ATTEMPT, self._numbers)
            (scores,) = read_parts(text, [part], lenient=True)
        else:
            answer = after(text, "principles", "critique")
            (scores,) = read_parts(answer, [section("scores", self._boxed)], lenient=False)
        if not all(self.low <= score <= self.high for score in scores):
            given = ", ".join(f"{score:g}" for score in scores)
            raise OutOfRange(f"<scores> is {given}, outside {self.low} to {self.high}")
        return scores

    def _boxed(self, text: str) -> Scores | None:
        match = BOX.fullmatch(text)
        return self._numbers(match[1].strip()) if match else None

    def _numbers(self, text: str) -> Scores | None:
        numbers = r"\s*,\s*".join([NUMBER] * self.arity)
        return tuple(map(float, text.split(","))) if re.fullmatch(numbers, text) else None

    def write(self, scores: Scores, thought: str = "") -> str:
        if len(scores) != self.arity or not set(scores) <= {*range(self.low, self.high + 1)}:
            wanted = "two whole numbers" if self.arity == 2 else "a whole number"
            raise ValueError(f"{scores} are not {wanted} from {self.low} to {self.high}")
        analysis = f"<principles>\n</principles>\n<critique>\n{thought}\n</critique>\n"
        return rf"{analysis}<scores>\boxed{{{', '.join(f'{one:g}' for one in scores)}}}</scores>"


class Spct(SpctSingle):
    r"""`<principles>..</principles> <critique>..</critique> <scores>\boxed{8, 3}</scores>`."""

    name: ClassVar[str] = "spct"
    arity: ClassVar[Literal[1, 2]] = 2

    def render(self, shown: Presentation) -> Conversation:
        task = TASK.format(what="two responses, A and B,", each="each response")
        ask = self.instructions("score of A, score of B")
        return conversation("\n\n".join([task, FAIRNESS, ask, *pair(shown)]))
