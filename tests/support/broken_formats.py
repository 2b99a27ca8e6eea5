"""Formats that break their contract, each in one way."""

from __future__ import annotations

import math
from collections.abc import Generator

from pydantic import Field, field_serializer

from j1sdk import (
    Completion,
    Conversation,
    JudgmentFormat,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Presentation,
    Reading,
    Scores,
    Turn,
    Unparseable,
)
from j1sdk.formats.sections import conversation, follows
from j1sdk.testing import (
    ComponentContract,
)


class Verdict(PairwiseVerdict):
    """Ours, to be broken."""

    name = "verdict"


class Inner(ComponentContract):
    abstract = JudgmentFormat


class WithCapitals(Verdict):
    name = "My Verdict"


class Forgetful(Verdict):
    """Its option is written so that dumping loses what it holds."""

    name = "forgetful"
    inner: JudgmentFormat = Field(default=PairwiseScores(high=3))

    @field_serializer("inner")
    def _only_its_name(self, inner: JudgmentFormat) -> str:
        return inner.name


class OfThree(Verdict):
    name = "of-three"
    arity = 3  # type: ignore[assignment]


class UndeclaredTags(Verdict):
    name = "undeclared-tags"
    markers = ("[[A]]", "[[B]]")


class UnbreakableMarker(Verdict):
    name = "unbreakable-marker"
    markers = (*PairwiseVerdict.markers, "A")


class EmptyRange(Verdict):
    name = "empty-range"

    @property
    def score_range(self) -> tuple[float, float]:
        return (1.0, 1.0)


class EndlessRange(Verdict):
    name = "endless-range"

    @property
    def score_range(self) -> tuple[float, float]:
        return (0.0, math.inf)


class WritesTheOther(Verdict):
    name = "writes-the-other"

    def write(self, scores: Scores, thought: str = "") -> str:
        return super().write(scores[::-1], thought)


class NeverB(Verdict):
    name = "never-b"

    def write(self, scores: Scores, thought: str = "") -> str:
        if scores[0] <= scores[1]:
            raise ValueError("B is never better")
        return super().write(scores, thought)


class OneLineThoughts(Verdict):
    name = "one-line-thoughts"

    def parse(self, text: str) -> Scores:
        if "\n\n" in text:
            raise Unparseable("too long a thought")
        return super().parse(text)


class Guessing(Verdict):
    name = "guessing"

    def parse(self, text: str) -> Scores:
        return (1.0, 0.0) if "[[A]]" in text else (0.0, 1.0)


class Careless(Verdict):
    name = "careless"

    def parse(self, text: str) -> Scores:
        return super().parse(text.partition("</think>")[2].split()[0])


class OutOfBounds(Pointwise):
    name = "out-of-bounds"

    def parse(self, text: str) -> Scores:
        number = text.partition("<score>")[2].partition("</score>")[0]
        if not number.isascii() or not number.isdigit():
            raise Unparseable("no number")
        return (float(number),)


class ThreeScores(Verdict):
    name = "three-scores"

    def parse(self, text: str) -> Scores:
        return (*super().parse(text), 0.0)


class WithoutMarkers(Verdict):
    name = "without-markers"
    markers = ()


class Unquoting(Verdict):
    name = "unquoting"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(super().render(shown)[0].content.replace("[ [", "[["))


class Backwards(Verdict):
    name = "backwards"

    def render(self, shown: Presentation) -> Conversation:
        return super().render(shown.model_copy(update={"order": shown.order[::-1]}))


class FirstOnly(Verdict):
    name = "first-only"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"{shown.prompt}\n{shown.responses[0]}")


class ShowsEverything(Pointwise):
    name = "shows-everything"

    def render(self, shown: Presentation) -> Conversation:
        return conversation("\n".join((super().render(shown)[0].content, *shown.task.responses)))


class LastMessageOnly(Verdict):
    name = "last-message-only"

    def render(self, shown: Presentation) -> Conversation:
        return conversation("\n".join((shown.prompt[-1].content, *shown.responses)))


class Leaking(Verdict):
    name = "leaking"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"{super().render(shown)[0].content}\nHint: {shown.gold}")


class Numbering(Verdict):
    name = "numbering"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"Task {shown.task.id}\n{super().render(shown)[0].content}")


class NothingAsked(Verdict):
    name = "nothing-asked"

    def render(self, shown: Presentation) -> Conversation:
        (asked,) = super().render(shown)
        return (asked.model_copy(update={"role": "system"}),)


class AdheresToOthers(Verdict):
    name = "adheres-to-others"

    def adheres(self, text: str) -> bool:
        return follows(text, self.sections[::-1])


class AlwaysAdheres(Verdict):
    name = "always-adheres"

    def adheres(self, text: str) -> bool:
        return True


class Contrary(Verdict):
    name = "contrary"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        completion = yield Turn(say=self.render(shown))
        return Reading(scores=self.parse(completion.text)[::-1])


class Fussy(Verdict):
    name = "fussy"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        completion = yield Turn(say=self.render(shown))
        self.parse(completion.text)
        raise Unparseable("not to my taste")
