"""The scaling `prefilled`: an answer at once, begun for the judge: little is left to write.

A judge that answers at once writes `<answer>[[A]]</answer>`. Here the tag is put into its mouth,
and it is stopped after `]]`: three tokens with most tokenizers, one where `[[A]]` is a token.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from j1sdk.deliberation import Deliberation
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, EngineError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.thinking import ThinkingFormat
from j1sdk.scaling import Samples, Scaling
from j1sdk.types import Completion, Judgment, Message, Presentation, Sampling, Token

ENOUGH = 8
"""Tokens that a verdict is made of, at most."""


class Frame(NamedTuple):
    """A format's answer, which is one of several texts, and what stands around them."""

    before: str
    texts: tuple[str, ...]
    after: str

    @property
    def stops(self) -> tuple[str, ...]:
        """How the texts end: two characters, as in `]]`."""
        return tuple(dict.fromkeys(text[-2:] for text in self.texts))


class Prefilled(Scaling):
    """The beginning of the answer is put into the judge's mouth.

    For `thinking = "none"`, formats whose answer is one of several texts, and engines that continue
    what was begun. What is none of the texts is unparseable, as ever.
    """

    name: ClassVar[str] = "prefilled"

    @property
    def most(self) -> int:
        return 1

    def accept(self, format: JudgmentFormat, engine: Engine, sampling: Sampling) -> None:
        check_prefilled(format, engine)

    async def judge(self, samples: Samples) -> Judgment:
        shown = samples.orders[0]
        return await answer_begun(samples.format, samples.engine, samples.sampling, shown)


def check_prefilled(format: JudgmentFormat, engine: Engine) -> None:
    """Raise ConfigError where an answer cannot be begun for the judge."""
    if format.thinking_sections or frame_of(format) is None:
        raise ConfigError(
            "an answer is begun for the judge in formats that hold no thought and one verdict, such"
            f' as pairwise-verdict with thinking = "none"; not in {format.name}'
        )
    if not engine.continues:
        raise ConfigError(
            f"the answer is begun for the judge, which {engine.name} cannot continue: choose"
            " another engine"
        )


def frame_of(format: JudgmentFormat) -> Frame | None:
    """What is common to all answers of a format; None where that is not all but one text."""
    if not isinstance(format, ThinkingFormat) or format.arity != 2 or len(format.choices) != 1:
        return None
    (choice,) = format.choices
    answer, texts = format.write((1.0, 0.0)), tuple(choice.texts)
    before, opening, rest = answer.partition(choice.opening)
    text = next((one for one in texts if rest.startswith(one)), "")
    return Frame(before + opening, texts, rest.removeprefix(text)) if opening and text else None


async def answer_begun(
    format: JudgmentFormat, engine: Engine, sampling: Sampling, shown: Presentation
) -> Judgment:
    """The judgment that comes of a begun answer."""
    deliberation = Deliberation(format, shown, engine.reserved)
    frame, turn = frame_of(format), deliberation.turn
    assert frame is not None and turn is not None  # `check_prefilled` saw to it
    begun = (*turn.say, Message(role="assistant", content=frame.before))
    short = sampling.replace(max_new_tokens=ENOUGH, stop=(*sampling.stop, *frame.stops))
    try:
        written = await engine.complete(begun, short)
    except EngineError as error:
        deliberation.fail(error)
    else:
        deliberation.send(framed(frame, written))
    return deliberation.judgment


def framed(frame: Frame, written: Completion) -> Completion:
    """The whole answer, where one of the texts was written; else what was written, as it is."""
    text = next((one for one in frame.texts if written.text.startswith(one)), None)
    if text is None:
        return written.replace(text=frame.before + written.text, tokens=())
    tokens = [Token(frame.before, 0.0), *_spelling(text, written.tokens), Token(frame.after, 0.0)]
    return written.replace(
        text=frame.before + text + frame.after,
        finish_reason="stop",
        tokens=tuple(tokens) if written.tokens else (),
    )


def _spelling(text: str, tokens: tuple[Token, ...]) -> list[Token]:
    """The tokens as far as they spell the text, the last of which may go on."""
    left, kept = text, list[Token]()
    for token in tokens:
        if left and token.text.startswith(left[: len(token.text)]):
            kept.append(token._replace(text=token.text[: len(left)]))
            left = left[len(token.text) :]
    return kept
