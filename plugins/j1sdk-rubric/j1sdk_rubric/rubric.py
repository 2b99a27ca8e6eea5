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

from pydantic import Field

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
WRITE = (
    "An AI assistant was given the request below. Write what its responses are to be checked"
    " against: criteria that a good response meets and others miss, each a question of yes or no."
)
THINK_OF_ALL = (
    "First think it through between <think> and </think>: what the request asks for, what a careful"
    " expert would look at, and which mistakes are likely."
)
ONE = "whether the response meets it and nothing else: <answer>yes</answer> or <answer>no</answer>"
ONE_LEVEL = "how far the response meets it, as a number and nothing else: <answer>0</answer>"
NO_RUBRIC = (
    "the task has no rubric: give it criteria as its reference, or set format.criteria or"
    " format.write_criteria"
)
LINE = re.compile(r"([0-9]{1,4})\s*[:.)]\s*(.+)")
ANSWER = re.compile(r"yes|no|[0-9]{1,3}", re.IGNORECASE)
ANYTHING = re.compile(r".+")


class Rubric(ThinkingFormat):
    """`<think>..</think> <answer>1: yes 2: no</answer>`; reads to the weighted share met.

    A judgment's `rounds` are its answers, in the order of the criteria: 1 for yes, 0 for no, and of
    a level its share of the highest.
    """

    name: ClassVar[str] = "rubric"
    arity: ClassVar[Literal[1, 2]] = 1
    markers: ClassVar[tuple[str, ...]] = (
        *MARKERS,
        *tag("answer"),
        *tag("criteria"),
        *(RESPONSE, END_RESPONSE, CRITERIA, END_CRITERIA),
    )
    criteria: tuple[Criterion, ...] = ()
    """What tasks without criteria of their own are checked against."""
    write_criteria: int = Field(default=0, ge=0, le=30)
    """Where there are neither, the judge writes so many for the request first: once for all of its
    responses, and before it has seen one."""
    per_criterion: bool = False
    """Ask for each criterion by itself: dearer, and one answer cannot colour the next. The prompts
    differ in their end alone, so a prefix cache finds the rest."""

    @property
    def sections(self) -> tuple[Tag, ...]:
        return (*self.thinking_sections, tag("answer"))

    @property
    def single_turn(self) -> bool:
        return not self.per_criterion and not self.write_criteria

    @property
    def continues(self) -> bool:
        return False

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        criteria = self.known_criteria(shown)
        if not criteria and self.write_criteria:
            completion = yield Turn(say=self.render_writing(shown), shared=True)
            criteria = self._quoted(self._written(completion.whole))
        if not criteria:
            raise Unparseable(NO_RUBRIC)
        if not self.per_criterion:
            completion = yield Turn(say=self.render_all(shown, criteria))
            said = self._numbered(completion.whole)
            if len(said) != len(criteria):
                raise Unparseable(f"{len(said)} answers for {len(criteria)} criteria")
            return reading(criteria, said)
        answers: list[str] = []
        for one in criteria:
            completion = yield Turn(say=self.render_one(shown, one))
            answers.append(self._single(completion.whole))
        return reading(criteria, answers)

    def known_criteria(self, shown: Presentation) -> tuple[Criterion, ...]:
        """The task's criteria, or else the format's."""
        return self._quoted(criteria_in(shown.task.reference) or self.criteria)

    def _quoted(self, criteria: Sequence[Criterion]) -> tuple[Criterion, ...]:
        """JSON can spell a marker so that the quoting of a reference did not see it."""
        marks = (*self.markers, *COMMON_SPECIAL_TOKENS)
        return tuple(one.replace(text=quote(one.text, marks)) for one in criteria)

    def render(self, shown: Presentation) -> Conversation:
        """What is asked where the criteria are known; raises Unparseable where there are none."""
        if criteria := self.known_criteria(shown):
            return self.render_all(shown, criteria)
        raise Unparseable(NO_RUBRIC)

    def render_writing(self, shown: Presentation) -> Conversation:
        """What is asked of the request alone, to have criteria."""
        parts = [
            WRITE,
            *self.asked(
                THINK_OF_ALL,
                f"After that, write {self.write_criteria} criteria by their numbers, in a line for"
                " each and nothing else:\n<criteria>\n1: ...\n2: ...\n</criteria>",
            ),
            f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}",
        ]
        return conversation("\n\n".join(parts))

    def render_all(self, shown: Presentation, criteria: Sequence[Criterion]) -> Conversation:
        """What is asked about all criteria at once."""
        listed = "\n".join(f"{number}. {one.question}" for number, one in enumerate(criteria, 1))
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
                f"After that, say {ONE_LEVEL if criterion.levels > 1 else ONE}",
            ),
            f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}",
            response_in(shown),
            f"{CRITERIA}\n{criterion.question}\n{END_CRITERIA}",
        ]
        return conversation("\n\n".join(parts))

    def instructions(self) -> str:
        """What answer to give after thinking."""
        return (
            "After that, say of each criterion whether the response meets it, by its number, in a"
            " line for each and nothing else:\n<answer>\n1: yes\n2: no\n</answer>"
        )

    def parse(self, text: str) -> Scores:
        said = self._numbered(text)
        plain = [Criterion(text=f"{number}") for number, _ in enumerate(said, 1)]
        return reading(self.criteria if len(self.criteria) == len(said) else plain, said).scores

    def write(self, scores: Scores, thought: str = "") -> str:
        (score,) = scores
        count = max(len(self.criteria), 1)
        if abs(score * count - round(score * count)) > 1e-9 or not 0 <= score <= 1:
            raise ValueError(f"{score} is no share of {count} criteria")
        return self.write_answers([place < round(score * count) for place in range(count)], thought)

    def write_answers(self, met: Sequence[bool | int], thought: str = "") -> str:
        """An answer that says so of each criterion: True or False, or a level."""
        said = [one if type(one) is int else "yes" if one else "no" for one in met]
        lines = "\n".join(f"{number}: {one}" for number, one in enumerate(said, 1))
        return f"{self.thought(thought)}<answer>\n{lines}\n</answer>"

    def _numbered(self, text: str) -> tuple[str, ...]:
        """The answers to criteria 1, 2, 3 and so on."""
        part = section("answer", lambda said: numbered(said, ANSWER))
        (said,) = read_parts(self.answer(text), [part], self.lenient)
        return tuple(said)

    def _written(self, text: str) -> tuple[Criterion, ...]:
        """The criteria that the judge wrote."""
        part = section("criteria", lambda said: numbered(said, ANYTHING))
        (written,) = read_parts(self.answer(text), [part], self.lenient)
        if len(written) != self.write_criteria:
            raise Unparseable(f"{len(written)} criteria were written, not {self.write_criteria}")
        return tuple(Criterion(text=one) for one in written)

    def _single(self, text: str) -> str:
        part = section("answer", lambda said: said if ANSWER.fullmatch(said) else None)
        (said,) = read_parts(self.answer(text), [part], self.lenient)
        return str(said)


def response_in(shown: Presentation) -> str:
    """The response between its fences."""
    return f"{RESPONSE}\n{shown.responses[0]}\n{END_RESPONSE}"


def numbered(text: str, what: re.Pattern[str]) -> tuple[str, ...] | None:
    """What stands in lines that are numbered from 1 on; None where they are not, or hold else."""
    lines = [LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    found = [(int(line[1]), line[2]) for line in lines if line and what.fullmatch(line[2])]
    if not lines or len(found) < len(lines) or [n for n, _ in found] != [*range(1, len(lines) + 1)]:
        return None
    return tuple(said for _, said in found)


def reading(criteria: Sequence[Criterion], said: Sequence[str]) -> Reading:
    """What the answers come to; raises Unparseable, or OutOfRange."""
    answers = zip(criteria, said, strict=True)
    met = [one.level(answer.lower()) / one.levels for one, answer in answers]
    return Reading(scores=(weighted(criteria, met),), rounds=tuple((share,) for share in met))
