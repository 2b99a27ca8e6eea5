"""The format `rubric`: each criterion is answered by yes or no; the score is a weighted share.

    [judge]
    format = "rubric"

The criteria are the task's own, which stand as JSON in its reference (`j1sdk_rubric.criteria`), or
else the format's. So every framework that hands over a reference with a prompt hands over a rubric.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from typing import ClassVar, Literal

from j1sdk.errors import Unparseable
from j1sdk.formats import Reading, Turn
from j1sdk.formats.pointwise import END_RESPONSE, RESPONSE
from j1sdk.formats.sections import Tag, conversation, read_parts, section, tag, transcript
from j1sdk.formats.thinking import END_REQUEST, MARKERS, REQUEST, ThinkingFormat
from j1sdk.quoting import COMMON_SPECIAL_TOKENS, quote
from j1sdk.types import Completion, Conversation, Presentation, Scores
from j1sdk_rubric.criteria import Criterion, criteria_in, weighted

CRITERIA, END_CRITERIA = "[Criteria]", "[End of criteria]"
TASK = (
    "You are an impartial judge. An AI assistant was given the request below. Check its response"
    " against {what}. A criterion is met or it is not: what is met in part is not met."
)
THINK = (
    "First think it through between <think> and </think>: {each}, name the passage of the response"
    " that meets it, or what is missing."
)
LINE = re.compile(r"([0-9]{1,4})\s*[:.)]\s*(yes|no)", re.IGNORECASE)
SAID = {"yes": True, "no": False}


class Rubric(ThinkingFormat):
    """`<think>..</think> <answer>1: yes 2: no</answer>`; reads to the weighted share met.

    A judgment's `rounds` are its answers, in the order of the criteria: 1 for yes, 0 for no.
    """

    name: ClassVar[str] = "rubric"
    arity: ClassVar[Literal[1, 2]] = 1
    markers: ClassVar[tuple[str, ...]] = (
        *MARKERS,
        *tag("answer"),
        *(RESPONSE, END_RESPONSE, CRITERIA, END_CRITERIA),
    )
    criteria: tuple[Criterion, ...] = ()
    """What tasks without criteria of their own are checked against."""
    per_criterion: bool = False
    """Ask for each criterion by itself: dearer, and one answer cannot colour the next. The prompts
    differ in their end alone, so a prefix cache finds the rest."""

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, tag("answer"))

    @property
    def single_turn(self) -> bool:
        return not self.per_criterion

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        criteria = self.criteria_for(shown)
        if not self.per_criterion:
            completion = yield Turn(say=self.render(shown))
            met = self._numbered(completion.whole)
            if len(met) != len(criteria):
                raise Unparseable(f"{len(met)} answers for {len(criteria)} criteria")
            return reading(criteria, met)
        answers: list[bool] = []
        for one in criteria:
            completion = yield Turn(say=self.render_one(shown, one))
            answers.append(self._single(completion.whole))
        return reading(criteria, answers)

    def criteria_for(self, shown: Presentation) -> tuple[Criterion, ...]:
        """The task's criteria, or else the format's; raises Unparseable where there are none."""
        if found := criteria_in(shown.task.reference) or self.criteria:
            # JSON can spell a marker so that the quoting of the reference did not see it
            marks = (*self.markers, *COMMON_SPECIAL_TOKENS)
            return tuple(one.replace(text=quote(one.text, marks)) for one in found)
        raise Unparseable(
            "the task has no rubric: give it criteria as its reference, or set format.criteria"
        )

    def render(self, shown: Presentation) -> Conversation:
        criteria = self.criteria_for(shown)
        listed = "\n".join(f"{number}. {one.text}" for number, one in enumerate(criteria, 1))
        think = THINK.format(each="for each criterion")
        parts = [
            TASK.format(what="each of the criteria by itself"),
            *self.asked(think, self.instructions()),
            f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}",
            f"{CRITERIA}\n{listed}\n{END_CRITERIA}",
            response_in(shown),
        ]
        return conversation("\n\n".join(parts))

    def render_one(self, shown: Presentation, criterion: Criterion) -> Conversation:
        """What is asked about one criterion, which stands last."""
        think = THINK.format(each="of the criterion")
        parts = [
            TASK.format(what="one criterion"),
            *self.asked(
                think,
                "After that, say whether the response meets it and nothing else:"
                " <answer>yes</answer> or <answer>no</answer>",
            ),
            f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}",
            response_in(shown),
            f"{CRITERIA}\n{criterion.text}\n{END_CRITERIA}",
        ]
        return conversation("\n\n".join(parts))

    def instructions(self) -> str:
        """What answer to give after thinking."""
        return (
            "After that, say of each criterion whether the response meets it, by its number, in a"
            " line for each and nothing else:\n<answer>\n1: yes\n2: no\n</answer>"
        )

    def parse(self, text: str) -> Scores:
        met = self._numbered(text)
        return (sum(met) / len(met),)

    def write(self, scores: Scores, thought: str = "") -> str:
        (score,) = scores
        count = max(len(self.criteria), 1)
        if abs(score * count - round(score * count)) > 1e-9 or not 0 <= score <= 1:
            raise ValueError(f"{score} is no share of {count} criteria")
        return self.write_answers([place < round(score * count) for place in range(count)], thought)

    def write_answers(self, met: Sequence[bool], thought: str = "") -> str:
        """An answer that says so of each criterion."""
        lines = "\n".join(f"{n}: {'yes' if yes else 'no'}" for n, yes in enumerate(met, 1))
        return f"{self.thought(thought)}<answer>\n{lines}\n</answer>"

    def _numbered(self, text: str) -> tuple[bool, ...]:
        """The answers to criteria 1, 2, 3 and so on."""
        part = section("answer", numbered)
        (met,) = read_parts(self.answer(text), [part], self.lenient)
        return tuple(met)

    def _single(self, text: str) -> bool:
        part = section("answer", lambda said: SAID.get(said.lower()))
        (met,) = read_parts(self.answer(text), [part], self.lenient)
        return bool(met)


def response_in(shown: Presentation) -> str:
    """The response between its fences."""
    return f"{RESPONSE}\n{shown.responses[0]}\n{END_RESPONSE}"


def numbered(text: str) -> tuple[bool, ...] | None:
    """The answers of lines that are numbered from 1 on; None where they are not."""
    lines = [LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    found = [(int(line[1]), SAID[line[2].lower()]) for line in lines if line]
    if not lines or len(found) < len(lines) or [n for n, _ in found] != [*range(1, len(lines) + 1)]:
        return None
    return tuple(yes for _, yes in found)


def reading(criteria: Sequence[Criterion], met: Sequence[bool]) -> Reading:
    """What the answers come to."""
    return Reading(scores=(weighted(criteria, met),), rounds=tuple((float(one),) for one in met))
