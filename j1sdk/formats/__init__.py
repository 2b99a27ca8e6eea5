"""How a judge is asked, and how its answer is read.

A format says how many responses one judgment shows (`arity`), what to ask (`render`), how to
read the answer (`parse`) and how a perfect answer looks (`write`, the inverse of `parse`):

    class Thumbs(JudgmentFormat):
        name = "thumbs"
        arity = 1
        markers = ("[up]", "[down]")

        def render(self, shown):
            return (Message(role="user", content=f"Is this any good? Say [up] or [down]. {shown}"),)

        def parse(self, text):
            if ("[up]" in text) == ("[down]" in text):
                raise Unparseable("say [up] or [down]")
            return (1.0,) if "[up]" in text else (0.0,)

        def write(self, scores, thought=""):
            return thought + {1.0: "[up]", 0.0: "[down]"}[scores[0]]

`parse` raises `Unparseable` or `OutOfRange`; it never guesses. A format that talks more than once
overrides `deliberate`, a generator that yields what to say and is sent what the judge wrote. It
does no I/O, so one driver runs every format on every engine, in a trainer's rollouts too.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from j1sdk.component import Component, Value
from j1sdk.formats.sections import follows
from j1sdk.lazy import lazy
from j1sdk.types import Completion, Conversation, Presentation, Scores

if TYPE_CHECKING:
    from j1sdk.formats.pairwise import Pairwise
    from j1sdk.formats.pairwise_scores import PairwiseScores
    from j1sdk.formats.pairwise_verdict import PairwiseVerdict
    from j1sdk.formats.pairwise_verdict_scores import PairwiseVerdictScores
    from j1sdk.formats.pointwise import Pointwise
    from j1sdk.formats.ranges import ScoreRange
    from j1sdk.formats.thinking import ThinkingFormat

__all__ = [
    "JudgmentFormat",
    "Pairwise",
    "PairwiseScores",
    "PairwiseVerdict",
    "PairwiseVerdictScores",
    "Pointwise",
    "Reading",
    "ScoreRange",
    "ThinkingFormat",
    "Turn",
]
__getattr__ = lazy(__name__)


class Turn(Value):
    """What to say to the judge next. Ending with an assistant message, it is to be continued."""

    say: Conversation
    stop: tuple[str, ...] = ()
    """Ends this turn's generation, besides the sampling's own stop strings."""
    max_new_tokens: int | None = Field(default=None, ge=1)
    """A smaller limit than the sampling's, for this turn."""
    shared: bool = False
    """The answer serves every judgment that asks the same: the engine gives it once."""


class Reading(Value):
    """What a deliberation came to."""

    scores: Scores
    rounds: tuple[Scores | None, ...] = ()
    """Verdicts on the way, for formats that reach several."""
    probabilities: tuple[dict[str, float], ...] = ()
    """Of each answer that could have been given, where they are known."""


class JudgmentFormat(Component):
    """How a judge is asked and how its answer is read."""

    kind: ClassVar[str] = "formats"
    arity: ClassVar[Literal[1, 2]]
    """Responses shown in one judgment."""
    markers: ClassVar[tuple[str, ...]] = ()
    """Text with a meaning in the prompt or the answer; broken where a response contains it."""

    @property
    def score_range(self) -> tuple[float, float]:
        """Lowest and highest score `parse` can return."""
        return (0.0, 1.0)

    @abstractmethod
    def render(self, shown: Presentation) -> Conversation:
        """What to ask. The presentation comes quoted: its text holds no marker."""

    @abstractmethod
    def parse(self, text: str) -> Scores:
        """Read the answer; raises Unparseable or OutOfRange."""

    @abstractmethod
    def write(self, scores: Scores, thought: str = "") -> str:
        """An answer that `parse` reads as `scores`; ValueError for scores it cannot express."""

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """Opening and closing tags a well-formed answer has once each, in this order."""
        return ()

    @property
    def thinking_sections(self) -> tuple[tuple[str, str], ...]:
        """Those of the sections that hold the thinking; none for formats that mark none."""
        return ()

    def adheres(self, text: str) -> bool:
        """Whether the sections asked for are there, once, in order."""
        return follows(text, self.sections)

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        """The conversation with the judge. Yield a turn, get the completion back."""
        completion = yield Turn(say=self.render(shown))
        return self.read(completion)

    def read(self, completion: Completion) -> Reading:
        """What an answer comes to; raises Unparseable or OutOfRange."""
        return Reading(scores=self.parse(completion.whole))

    @property
    def reads_probabilities(self) -> bool:
        """Whether scores come from what could have been said, and not only from what was."""
        return False

    @property
    def single_turn(self) -> bool:
        """Whether one question and one answer are all of it, as trainers need."""
        return type(self).deliberate is JudgmentFormat.deliberate

    @property
    def continues(self) -> bool:
        """Whether it puts words in the judge's mouth, which an engine then has to go on from.

        Here, every format that talks more than once; one that only asks again says False.
        """
        return not self.single_turn
