"""The scaling `prefilled`: an answer at once, begun for the judge: little is left to write.

A judge that answers at once writes `<answer>[[A]]</answer>`, of which one letter says something.
Here `<answer>[[` is put into its mouth, so that the next token is that letter.
"""

from __future__ import annotations

from os import path
from typing import ClassVar, Literal, NamedTuple

from j1sdk.deliberation import Deliberation
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, EngineError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.thinking import ThinkingFormat
from j1sdk.scaling import Samples, Scaling
from j1sdk.types import Completion, Judgment, Message, Presentation, Sampling, Token

Begun = Literal["verdict", "answer"]
"""How far: into the verdict, `<answer>[[`, of which one token is left; or `<answer>`, where a
tokenizer has a token for `[[A]]`."""
ENOUGH = 8
"""Tokens that a whole verdict is made of, at most."""


class Frame(NamedTuple):
    """A format's answer: what is begun, what can follow, and what stands after that."""

    before: str
    texts: tuple[str, ...]
    after: str

    def short(self, sampling: Sampling, begun: Begun) -> Sampling:
        """No more than what is left to write."""
        if begun == "verdict":
            return sampling.replace(max_new_tokens=1)
        ends = dict.fromkeys(text[-2:] for text in self.texts)  # such as `]]`
        return sampling.replace(max_new_tokens=ENOUGH, stop=(*sampling.stop, *ends))


class Prefilled(Scaling):
    """The beginning of the answer is put into the judge's mouth.

    For `thinking = "none"`, formats whose answer is one of several texts, and engines that continue
    what was begun. What is none of the texts is unparseable, as ever.
    """

    name: ClassVar[str] = "prefilled"
    begun: Begun = "verdict"
    """How far the answer is begun: `verdict`, and one token is left to write; or `answer`, for
    tokenizers that have a token for a whole verdict."""

    @property
    def most(self) -> int:
        return 1

    def accept(self, format: JudgmentFormat, engine: Engine, sampling: Sampling) -> None:
        check_prefilled(format, engine, self.begun)

    async def judge(self, samples: Samples) -> Judgment:
        shown = samples.orders[0]
        frame = checked_frame(samples.format, self.begun)
        sampling = frame.short(samples.sampling, self.begun)
        return await answer_begun(samples.format, samples.engine, sampling, shown, frame)


def check_prefilled(format: JudgmentFormat, engine: Engine, begun: Begun) -> None:
    """Raise ConfigError where an answer cannot be begun for the judge."""
    checked_frame(format, begun)
    if not engine.continues:
        raise ConfigError(
            f"the answer is begun for the judge, which {engine.name} cannot continue: choose"
            " another engine"
        )


def checked_frame(format: JudgmentFormat, begun: Begun) -> Frame:
    """What an answer is made of; raises ConfigError where that is not all but one text."""
    choices = format.choices if isinstance(format, ThinkingFormat) else ()
    if format.arity != 2 or format.thinking_sections or len(choices) != 1:
        raise ConfigError(
            "an answer is begun for the judge in formats that hold no thought and one verdict, such"
            f' as pairwise-verdict with thinking = "none"; not in {format.name}'
        )
    (choice,) = choices
    texts = tuple(choice.texts)
    before, opening, rest = format.write((1.0, 0.0)).partition(choice.opening)
    after = next(rest.removeprefix(text) for text in texts if rest.startswith(text))
    shared = path.commonprefix(texts) if begun == "verdict" else ""  # noqa: RUF071
    left = tuple(text.removeprefix(shared) for text in texts)
    return Frame(before + opening + shared, left, after)


async def answer_begun(
    format: JudgmentFormat, engine: Engine, sampling: Sampling, shown: Presentation, frame: Frame
) -> Judgment:
    """The judgment that comes of a begun answer."""
    deliberation = Deliberation(format, shown, engine.reserved)
    assert deliberation.turn is not None  # a format without one has no frame
    said = Message(role="assistant", content=frame.before)
    try:
        written = await engine.complete((*deliberation.turn.say, said), sampling)
    except EngineError as error:
        deliberation.fail(error)
    else:
        deliberation.send(framed(frame, written))
    return deliberation.judgment


def framed(frame: Frame, written: Completion) -> Completion:
    """The whole answer, where what was written tells which; else what was written, as it is."""
    said = written.text
    meant = [one for one in frame.texts if said and (one.startswith(said) or said.startswith(one))]
    if len(meant) != 1:
        return written.replace(text=frame.before + said, tokens=())
    (text,) = meant
    tokens = [Token(frame.before, 0.0), *_spelling(text, written.tokens), Token(frame.after, 0.0)]
    return written.replace(
        text=frame.before + text + frame.after,
        finish_reason="stop",
        tokens=tuple(tokens) if written.tokens else (),
    )


def _spelling(text: str, tokens: tuple[Token, ...]) -> list[Token]:
    """The tokens as far as they spell the text, the last of which may go on; then what is left."""
    left, kept = text, list[Token]()
    for token in tokens:
        if left and token.text.startswith(left[: len(token.text)]):
            others = tuple(one for one in token.alternatives if one[0] != token.text)
            kept.append(Token(token.text[: len(left)], token.logprob, others))
            left = left[len(token.text) :]
    return [*kept, Token(left, 0.0)] if left else kept
