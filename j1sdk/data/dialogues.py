"""Dialogues as data have them, and where prompt and response part in them.

Lists of messages by role and content, or by `from` and `value` (ShareGPT); or a text of turns that
begin with `Human:` and `Assistant:` (HH-RLHF).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

from j1sdk.errors import DataError, explain
from j1sdk.formats.sections import transcript
from j1sdk.messages import Message

Dialogue = tuple[Message, ...]
Side = str | Dialogue
"""A response: a text, or messages that end with it."""

ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "prompter": "user",
    "tool_call": "assistant",
    "tool_response": "tool",
}
"""Other names of roles: ShareGPT's, Gemma's, OpenAssistant's, ms-swift's."""
READ = ("role", "content", "tool_calls", "function_call", "refusal")
"""What is read of a message; data sets have many other fields there."""
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
_TURN = re.compile(r"\n\n(Human|Assistant):")


def is_message(value: Any) -> bool:
    """Whether a value has the form of a message."""
    return isinstance(value, Mapping) and bool({"role", "from"} & value.keys())


def side(value: Any, column: str) -> Side:
    """A response as text or messages; raises DataError."""
    if isinstance(value, str):
        return turns(value) if value.startswith(HUMAN) and ASSISTANT in value else value
    if is_message(value):
        return dialogue([value], column)
    if isinstance(value, list | tuple) and value and all(map(is_message, value)):
        return dialogue(value, column)
    kind = "nothing" if value is None else type(value).__name__
    raise DataError(f"{column}: expected text or messages, got {kind}")


def sides(value: Any, column: str) -> list[Side]:
    """One response, or several in a list."""
    several = isinstance(value, list | tuple) and value and not is_message(value[0])
    return [side(one, column) for one in value] if several else [side(value, column)]


def prompt_of(value: Any, column: str) -> Dialogue:
    """A prompt, from text or messages; raises DataError."""
    read = side(value, column)
    if isinstance(read, str):
        return (Message(role="user", content=read),)
    empty = read[-1].role == "assistant" and not read[-1].content
    return read[:-1] if empty else read  # texts of HH end where the response goes on


def dialogue(messages: Sequence[Mapping[str, Any]], column: str) -> Dialogue:
    """Messages of either form; raises DataError naming the one that is wrong."""
    return tuple(_message(one, f"{column}.{place}") for place, one in enumerate(messages))


def _message(value: Mapping[str, Any], where: str) -> Message:
    given = {key: value[key] for key in READ if key in value}
    if "from" in value:
        given = {"role": value["from"], "content": value.get("value")}
    given["role"] = ROLES.get(given["role"], given["role"])
    try:
        return Message.model_validate(given)
    except ValidationError as error:
        raise DataError(f"{where}.{explain(error)[0]}") from None


def turns(text: str) -> Dialogue:
    """The turns of HH's form, without white space around them."""
    _, *parts = _TURN.split(text)
    names = {"Human": "user", "Assistant": "assistant"}
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple(
        Message.model_validate({"role": names[name], "content": content.strip()})
        for name, content in pairs
    )


def has_prompt(response: Side) -> bool:
    """Whether a response is a dialogue from its prompt on."""
    return not isinstance(response, str) and response[0].role != "assistant"


def split(prompt: Dialogue, given: Sequence[Side]) -> tuple[Dialogue, list[str]]:
    """Prompt and responses. Dialogues that begin before the response have their own prompt.

    What dialogues share is the prompt, up to the first assistant turn in which they differ; what
    follows is the response, with its roles where it is several turns. Raises DataError.
    """
    whole = [one for one in given if not isinstance(one, str) and has_prompt(one)]
    if not whole:
        return prompt, [one if isinstance(one, str) else written(one) for one in given]
    if len(whole) < len(given):
        raise DataError("some responses are dialogues with a prompt, and some are not")
    end = shared(whole)
    own = whole[0][:end]
    begun_before = prompt[-end:] == own
    return prompt if begun_before else own, [written(one[end:]) for one in whole]


def shared(dialogues: Sequence[Dialogue]) -> int:
    """How many turns are the prompt; raises DataError where the dialogues begin differently."""
    same = takewhile(lambda turn: len(set(turn)) == 1, zip(*dialogues, strict=False))
    end = min(len(list(same)), min(map(len, dialogues)) - 1)
    while end and any(one[end].role != "assistant" for one in dialogues):
        end -= 1
    if not end:
        raise DataError("the dialogues share no prompt: they differ before an assistant turn")
    return end


def written(messages: Dialogue) -> str:
    """Turns as the text of a response: one as it is, several with their roles."""
    return messages[0].content if len(messages) == 1 else transcript(messages)
