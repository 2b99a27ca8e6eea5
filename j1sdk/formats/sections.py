"""Reading tagged sections, strictly, and the prompt passages the built-in formats share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from j1sdk.errors import Unparseable
from j1sdk.types import Conversation, Message

Tag = tuple[str, str]
Value = TypeVar("Value", str, float)


def tag(name: str) -> Tag:
    """`("<name>", "</name>")`."""
    return f"<{name}>", f"</{name}>"


def follows(text: str, sections: Sequence[Tag]) -> bool:
    """Whether each opening and closing tag is in the text exactly once, in this order."""
    tags = [mark for pair in sections for mark in pair]
    places = [text.find(mark) for mark in tags]
    return all(text.count(mark) == 1 for mark in tags) and places == sorted(places)


def after(text: str, closing: str) -> str:
    """What follows the last closing tag, where the answer must be; raises Unparseable."""
    _, found, rest = text.rpartition(closing)
    if not found:
        raise Unparseable(f"no {closing}: the thinking was not ended, so nothing after it counts")
    return rest


def readings(text: str, name: str, pattern: str) -> list[str]:
    """What each well-formed `<name>` section holds; raises Unparseable if there is none."""
    opening, closing = map(re.escape, tag(name))
    found = re.findall(rf"{opening}\s*{pattern}\s*{closing}", text)
    if not found:
        raise Unparseable(f"no well-formed <{name}> section in the answer")
    return [str(value) for value in found]


def only(values: Sequence[Value], what: str, lenient: bool) -> Value:
    """The one value given, once or repeated; if they differ, the last when lenient."""
    if len(set(values)) > 1 and not lenient:
        given = ", ".join(map(str, values))
        raise Unparseable(f"{what} was given more than once and differs: {given}")
    return values[-1]


def conversation(text: str) -> Conversation:
    """One user message."""
    return (Message(role="user", content=text),)


def transcript(prompt: Conversation) -> str:
    """A task's prompt as text: a lone user message as it is, a dialogue with its roles."""
    if len(prompt) == 1 and prompt[0].role == "user":
        return prompt[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in prompt)
