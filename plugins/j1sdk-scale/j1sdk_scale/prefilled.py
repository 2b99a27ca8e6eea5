"""The format `prefilled`: an answer at once, begun for the judge, so that little is left to write.

A judge that answers at once writes `<answer>[[A]]</answer>`, of which one letter says something.
Here `<answer>[[` is put into its mouth, and the next token is that letter.

    [judge.format]
    name = "prefilled"
    format = { name = "pairwise-verdict", thinking = "none" }
"""

from __future__ import annotations

from collections.abc import Generator
from operator import attrgetter
from os import path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import field_validator

from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.formats.thinking import ThinkingFormat
from j1sdk.types import Completion, Message, Presentation, Token

Begun = Literal["verdict", "answer"]
"""How far: into the verdict, `<answer>[[`, of which one token is left; or `<answer>`, where a
tokenizer has a token for `[[A]]`."""
ENOUGH = 8
"""Tokens that a whole verdict is made of, at most."""


class Frame(NamedTuple):
    """An answer: what is begun, what can follow, and what stands after that."""

    before: str
    texts: tuple[str, ...]
    after: str


class Prefilled(JudgmentFormat):
    """Wraps a format without a thought, whose answer is one of several texts, and begins it.

    What is none of the texts is unparseable, as ever.
    """

    name: ClassVar[str] = "prefilled"
    format: ThinkingFormat
    """The format to wrap, such as `pairwise-verdict` with `thinking = "none"`."""
    begun: Begun = "verdict"
    """How far the answer is begun: `verdict`, and one token is left to write; or `answer`, for
    tokenizers that have a token for a whole verdict."""

    # Everything but the conversation is the wrapped format's affair.
    arity: ClassVar[Any] = property(attrgetter("format.arity"))
    markers: ClassVar[Any] = property(attrgetter("format.markers"))
    score_range: ClassVar[Any] = property(attrgetter("format.score_range"))
    sections: ClassVar[Any] = property(attrgetter("format.sections"))
    reads_probabilities: ClassVar[Any] = property(attrgetter("format.reads_probabilities"))
    render: ClassVar[Any] = property(attrgetter("format.render"))
    parse: ClassVar[Any] = property(attrgetter("format.parse"))
    write: ClassVar[Any] = property(attrgetter("format.write"))

    @field_validator("format")
    @classmethod
    def _check_answer(cls, format: ThinkingFormat) -> ThinkingFormat:
        if format.arity != 2 or format.thinking_sections or len(format.choices) != 1:
            raise ValueError(
                f"{format.name} has a thought, or more than a verdict, and only a verdict can be"
                ' begun: such as that of pairwise-verdict with thinking = "none"'
            )
        return format

    @property
    def frame(self) -> Frame:
        """What all answers have in common, and what tells them apart."""
        (choice,) = self.format.choices
        before, opening, rest = self.format.write((1.0, 0.0)).partition(choice.opening)
        texts = tuple(choice.texts)
        after = next(rest.removeprefix(text) for text in texts if rest.startswith(text))
        shared = path.commonprefix(texts) if self.begun == "verdict" else ""  # noqa: RUF071
        left = tuple(text.removeprefix(shared) for text in texts)
        return Frame(before + opening + shared, left, after)

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        frame, letter = self.frame, self.begun == "verdict"
        say = (*self.render(shown), Message(role="assistant", content=frame.before))
        ends = () if letter else tuple({text[-2:] for text in frame.texts})  # such as `]]`
        written = yield Turn(say=say, stop=ends, max_new_tokens=1 if letter else ENOUGH)
        return self.format.read(framed(frame, written))


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
