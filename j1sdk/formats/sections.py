"""Reading what a judge finally and plainly said, and the prompt passages that formats share.

An answer is read part by part: a tagged section, a verdict in brackets, a box. The strict reading
takes an answer only where every attempt at a part is well-formed and says the same, and no words
follow the last one. The lenient reading takes the last well-formed part, unless another attempt
follows it. Look-alike characters and other letter cases make an attempt, never an answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from j1sdk.errors import Unparseable
from j1sdk.types import Conversation, Message

Tag = tuple[str, str]
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Unicode's default ignorable code points."""
WORD = re.compile(r"[^\W_]")
LEAKED = re.compile(r"<\|\w+\|>|</s>|<\w*end_of_\w+>|<eos>")
"""Ends of turns that some servers leave in a text."""


class Part(NamedTuple):
    """A part of an answer, and how to find it."""

    what: str
    """What a complaint calls it."""
    exact: re.Pattern[str]
    """The part as it must be spelt; group 1 is what it holds."""
    attempt: re.Pattern[str]
    """Every attempt at it, well-formed or not, once each."""
    read: Callable[[str], Any]
    """The value of what it holds, stripped of white space; None where that is not well-formed."""


def tag(name: str) -> Tag:
    """`("<name>", "</name>")`."""
    return f"<{name}>", f"</{name}>"


def section(name: str, read: Callable[[str], Any]) -> Part:
    """The part between `<name>` and `</name>`."""
    opening, closing = map(re.escape, tag(name))
    return Part(f"<{name}>", re.compile(f"{opening}([^<]*){closing}"), opening_of(name), read)


def opening_of(*names: str) -> re.Pattern[str]:
    """Matches what begins like an opening tag of any of these names, however it is spelt."""
    return attempt_at(*(f"<{name}" for name in names))


def attempt_at(*words: str) -> re.Pattern[str]:
    """Matches any of these words in any letter case, with white space inside them or not."""
    spaced = (r"\s*".join(map(re.escape, word)) for word in words)
    return re.compile("|".join(spaced), re.IGNORECASE)


def read_parts(text: str, parts: Sequence[Part], lenient: bool) -> list[Any]:
    """The value of each part; raises Unparseable where one was not finally and plainly given."""
    read = _last if lenient else _agreed
    values, ends = zip(*(read(text, part) for part in parts), strict=True)
    if not lenient and WORD.search(rest := trailing(text[max(ends) :])):
        raise Unparseable(f"words follow the answer: {rest[:80]!r}")
    return list(values)


def trailing(text: str) -> str:
    """What follows an answer, but for white space and ends of turns."""
    return LEAKED.sub("", text).strip()


def _agreed(text: str, part: Part) -> tuple[Any, int]:
    """The value that every attempt gives, and where the last one ends."""
    matches = list(part.exact.finditer(text))
    values = [part.read(match[1].strip()) for match in matches]
    if not values:
        raise Unparseable(f"no well-formed {part.what} in the answer")
    if None in values:
        held = matches[values.index(None)][1].strip()
        raise Unparseable(f"{part.what} holds {held[:80]!r}, which is not what was asked for")
    if len(part.attempt.findall(unmasked(text))) != len(values):
        raise Unparseable(f"{part.what} was given again, but not well-formed")
    if len(set(values)) > 1:
        given = ", ".join(match[1].strip()[:80] for match in matches)
        raise Unparseable(f"{part.what} was given more than once and differs: {given}")
    return values[0], matches[-1].end()


def _last(text: str, part: Part) -> tuple[Any, int]:
    """The value that was given last, and where it ends."""
    good = [
        (value, match.end())
        for match in part.exact.finditer(text)
        if (value := part.read(match[1].strip())) is not None
    ]
    if not good:
        raise Unparseable(f"no well-formed {part.what} anywhere")
    if part.attempt.search(unmasked(text[good[-1][1] :])):
        raise Unparseable(f"{part.what} was given again, but not well-formed")
    return good[-1]


def unmasked(text: str) -> str:
    """`text` without invisible characters, and with plain ones for their look-alikes (NFKC)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


def after(text: str, *names: str) -> str:
    """What follows the last of the thinking sections, where the answer must be.

    Raises Unparseable where the thinking did not end, or went on.
    """
    closing = tag(names[-1])[1]
    thought, ended, rest = text.rpartition(closing)
    if not ended:
        raise Unparseable(f"no {closing}: the thinking was not ended, so nothing after it counts")
    if opening_of("think", *names).search(unmasked(rest)):
        raise Unparseable(f"the thinking was opened again after {closing}")
    opening, closing = tag("think")
    if thought.rfind(opening) > text.rfind(closing):
        raise Unparseable(f"no {closing}: what was opened by {opening} was not ended")
    return rest


def follows(text: str, sections: Sequence[Tag]) -> bool:
    """Whether each opening and closing tag is in the text exactly once, in this order."""
    tags = [mark for pair in sections for mark in pair]
    places = [text.find(mark) for mark in tags]
    return all(text.count(mark) == 1 for mark in tags) and places == sorted(places)


def conversation(text: str) -> Conversation:
    """One user message."""
    return (Message(role="user", content=text),)


def transcript(prompt: Conversation) -> str:
    """A task's prompt as text: a lone user message as it is, a dialogue with its roles."""
    if len(prompt) == 1 and prompt[0].role == "user":
        return prompt[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in prompt)
