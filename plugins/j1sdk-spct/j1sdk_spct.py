"""Format `spct`: the judge sets its own principles, criticises by them, then scores in a box.

After self-principled critique tuning (DeepSeek-GRM, arXiv 2504.02495), on two responses.
"""

from __future__ import annotations

from itertools import chain
from typing import ClassVar, Literal

from j1sdk import Conversation, JudgmentFormat, OutOfRange, Presentation, Scores, hookimpl
from j1sdk.formats.pairwise import FAIRNESS, FENCES
from j1sdk.formats.ranges import ScoreRange
from j1sdk.formats.sections import Tag, after, conversation, only, readings, tag, transcript
from j1sdk.formats.thinking import END_REFERENCE, END_REQUEST, REFERENCE, REQUEST

SECTIONS = tuple(map(tag, ("principles", "critique", "scores")))
BOX = r"\\boxed\{\s*([-+]?\d+\s*,\s*[-+]?\d+)\s*\}"
TASK = """You are an impartial judge of two responses, A and B, to one request.

Between <principles> and </principles>, state the principles by which any response to this very
request should be judged, each with its weight in percent; the weights add up to 100. Principles
of one request need not suit another.

Between <critique> and </critique>, hold both responses against every principle. Name what each
does well and badly, quoting the passage that shows it."""
FIXED = (REQUEST, END_REQUEST, REFERENCE, END_REFERENCE)


class Spct(ScoreRange):
    r"""`<principles>..</principles> <critique>..</critique> <scores>\boxed{8, 3}</scores>`."""

    name: ClassVar[str] = "spct"
    arity: ClassVar[Literal[1, 2]] = 2
    markers: ClassVar[tuple[str, ...]] = (*FIXED, *chain(*FENCES, *SECTIONS), r"\boxed")
    low: int = 1
    high: int = 10

    @property
    def sections(self) -> tuple[Tag, ...]:
        return SECTIONS

    def render(self, shown: Presentation) -> Conversation:
        numbers = f"Then give whole numbers from {self.low} to {self.high}; higher is better, and"
        ask = rf"{numbers} nothing else follows: <scores>\boxed{{score of A, score of B}}</scores>"
        parts = [TASK, FAIRNESS, ask, f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}"]
        if shown.task.reference:
            parts.append(f"{REFERENCE}\n{shown.task.reference}\n{END_REFERENCE}")
        for (opening, closing), response in zip(FENCES, shown.responses, strict=True):
            parts.append(f"{opening}\n{response}\n{closing}")
        return conversation("\n\n".join(parts))

    def parse(self, text: str) -> Scores:
        found = readings(after(text, "</critique>"), "scores", BOX)
        pair = only(["".join(one.split()) for one in found], "<scores>", lenient=False)
        scores = tuple(map(float, pair.split(",")))
        if not all(self.low <= score <= self.high for score in scores):
            raise OutOfRange(f"<scores> is {pair[:40]}, outside {self.low} to {self.high}")
        return scores

    def write(self, scores: Scores, thought: str = "") -> str:
        if len(scores) != 2 or not set(scores) <= {*range(self.low, self.high + 1)}:
            raise ValueError(f"{scores} are not two whole numbers from {self.low} to {self.high}")
        analysis = f"<principles>\n</principles>\n<critique>\n{thought}\n</critique>\n"
        return rf"{analysis}<scores>\boxed{{{scores[0]:g}, {scores[1]:g}}}</scores>"


@hookimpl
def formats() -> list[type[JudgmentFormat]]:
    return [Spct]
