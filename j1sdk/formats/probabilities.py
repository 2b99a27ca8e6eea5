"""How likely each answer was where a judge gave one, from the tokens it wrote and could have.

A judge that writes `[[A]]` was, at the token `A`, also some way towards `[[B]]`. What went to
neither, such as white space or the beginning of another word, is mass that no answer has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from j1sdk.errors import Unparseable
from j1sdk.types import Completion, Token

Probabilities = Mapping[str, float]
"""Of each answer that could have been given; what is missing from 1 went to none of them."""


class Choice(NamedTuple):
    """A part of an answer that is one of several texts."""

    opening: str
    """What stands right before it: a tag."""
    texts: Mapping[str, str]
    """What can follow, with as much as tells it from the others, such as `7<`; and its name."""


class Placed(NamedTuple):
    """A token and where in the text it begins."""

    start: int
    token: Token


def probabilities(completion: Completion, choice: Choice) -> Probabilities:
    """How likely each of the texts was, where the last of them was written.

    Raises Unparseable where the completion has no tokens there, or they spell something else.
    """
    before, found, after = completion.text.rpartition(choice.opening)
    start = len(before + found) + len(after) - len(after.lstrip())
    tokens = [one for one in placed(completion) if one.start + len(one.token.text) > start]
    if not found or not tokens or tokens[0].start > start:
        raise Unparseable("no probabilities came with the answer, or of other tokens than it has")
    chances = dict.fromkeys(choice.texts.values(), 0.0)
    for name, chance in _shares(tokens, start, choice.texts):
        chances[name] += chance
    return chances


def placed(completion: Completion) -> list[Placed]:
    """The completion's last tokens and their places, as far back as they spell its text.

    From the end, as a character that is several tokens cannot be told from one of them alone; and
    what ended the turn is no part of the text.
    """
    end, found = len(completion.text), list[Placed]()
    for token in reversed(completion.tokens):
        if token.text and completion.text.endswith(token.text, 0, end):
            end -= len(token.text)
            found.append(Placed(end, token))
        elif found:
            break
    return found[::-1]


def _shares(
    tokens: Sequence[Placed], start: int, texts: Mapping[str, str]
) -> Iterator[tuple[str, float]]:
    """(name, probability) for each token that settles which text it is to be, along the way."""
    said, reached = "", 1.0
    for place, token in tokens:
        skipped = max(start - place, 0)
        written = token.text[skipped:]
        for other, logprob in token.alternatives:
            if other != token.text and other.startswith(token.text[:skipped]):
                names = _named(said + other[skipped:], texts)
                if len(names) == 1:
                    yield names[0], reached * math.exp(logprob)
        said, reached = said + written, reached * math.exp(token.logprob)
        names = _named(said, texts)
        if len(names) < 2:
            yield from ((name, reached) for name in names)
            return


def _named(said: str, texts: Mapping[str, str]) -> list[str]:
    """The texts that begin so, or that are the beginning."""
    return [name for text, name in texts.items() if text.startswith(said) or said.startswith(text)]


def expected_level(chances: Probabilities) -> float:
    """The mean of levels that are named by their numbers, given that it is one of them."""
    levels = sum(float(name) * chance for name, chance in chances.items())
    return levels / sum(chances.values())
