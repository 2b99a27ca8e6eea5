"""The scaling `first-token`: a verdict by one token, the rest of the answer put into the mouth.

A judge that answers at once writes `<answer>[[A]]</answer>`, of which one letter says something.
Here the answer is begun for it, so that the next token is that letter, with its probability.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from j1sdk.deliberation import Deliberation
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, EngineError
from j1sdk.formats import JudgmentFormat
from j1sdk.scaling import Samples, Scaling
from j1sdk.types import Completion, Judgment, Message, Presentation, Sampling, Token


class Frame(NamedTuple):
    """What stands around the letter of a verdict."""

    before: str
    after: str


class FirstToken(Scaling):
    """One token for each judgment, of formats whose verdicts differ in one letter.

    For `thinking = "none"`, and engines that continue what was begun. What is no verdict is
    unparseable, as ever.
    """

    name: ClassVar[str] = "first-token"

    @property
    def most(self) -> int:
        return 1

    def accept(self, format: JudgmentFormat, engine: Engine, sampling: Sampling) -> None:
        check_first_token(format, engine)

    async def judge(self, samples: Samples) -> Judgment:
        shown = samples.orders[0]
        return await by_first_token(samples.format, samples.engine, samples.sampling, shown)


def check_first_token(format: JudgmentFormat, engine: Engine) -> None:
    """Raise ConfigError where a verdict cannot be asked for by its first token."""
    if format.arity != 2 or format.thinking_sections or frame_of(format) is None:
        raise ConfigError(
            "a verdict by its first token needs a format whose answers differ in one letter and"
            f' hold no thought, such as pairwise-verdict with thinking = "none"; not {format.name}'
        )
    if not engine.continues:
        raise ConfigError(
            f"a verdict by its first token is begun for the judge, which {engine.name} cannot"
            " continue: choose another engine"
        )


def frame_of(format: JudgmentFormat) -> Frame | None:
    """What both verdicts have in common; None where more than a letter differs."""
    try:
        first, second = format.write((1.0, 0.0)), format.write((0.0, 1.0))
    except ValueError:  # no scores of this format
        return None
    differ = [n for n, (one, other) in enumerate(zip(first, second, strict=False)) if one != other]
    if len(first) != len(second) or len(differ) != 1:
        return None
    return Frame(first[: differ[0]], first[differ[0] + 1 :])


async def by_first_token(
    format: JudgmentFormat, engine: Engine, sampling: Sampling, shown: Presentation
) -> Judgment:
    """The judgment that the likeliest letter makes."""
    deliberation = Deliberation(format, shown, engine.reserved)
    frame, turn = frame_of(format), deliberation.turn
    assert frame is not None and turn is not None  # `check_first_token` saw to it
    begun = (*turn.say, Message(role="assistant", content=frame.before))
    try:
        written = await engine.complete(begun, sampling.replace(max_new_tokens=1))
    except EngineError as error:
        deliberation.fail(error)
    else:
        deliberation.send(framed(frame, written))
    return deliberation.judgment


def framed(frame: Frame, written: Completion) -> Completion:
    """The whole answer, whose letter is what a token begins with: it may hold some of the rest."""
    letter = written.text[:1]
    tokens: tuple[Token, ...] = ()
    if written.tokens:
        token = written.tokens[0]
        others = tuple(one for one in token.alternatives if one[0] != token.text)
        told = Token(letter, token.logprob, others)
        tokens = (Token(frame.before, 0.0), told, Token(frame.after, 0.0))
    whole = frame.before + letter + frame.after
    return written.replace(text=whole, finish_reason="stop", tokens=tokens)
