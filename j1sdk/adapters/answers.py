"""What a judge is shown of what a policy wrote: its final answer.

A policy that is trained by a judge may learn to lobby wherever the judge looks, so its thinking is
left out unless it is asked for. Trainers hand over a text, messages whose content is a text or a
list of parts, or nothing; whatever it is, one function makes a text of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from j1sdk.errors import DataError, explain
from j1sdk.types import Conversation, Message, as_reference

THINKING = (
    ("<think>", "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""How models open and close their thinking: Qwen, DeepSeek and most others; Seed; Magistral;
Command; Gemma 4; gpt-oss."""
REASONING = ("reasoning_content", "reasoning", "thinking")
"""What messages call the thinking that a server has parsed out of the content."""
_conversation: TypeAdapter[Conversation] = TypeAdapter(Conversation)


def final_answer(
    completion: Any, show_thinking: bool = False, prompt_opens_thinking: bool = False
) -> str | None:
    """The answer in a completion: a text, messages or None. None where there is no answer.

    That is where thinking never ended, also if the prompt opened it, and where the last message is
    a tool's or calls one. Of several messages the last is the answer. Raises DataError for images
    and other parts that are no text.
    """
    if completion is None or isinstance(completion, str):
        return _answer_in(completion or "", show_thinking, prompt_opens_thinking)
    if not isinstance(completion, Sequence):
        raise DataError(
            f"a completion that is a {type(completion).__name__}: give text or messages"
        )
    return _last_answer(completion, show_thinking, prompt_opens_thinking) if completion else ""


def opens_thinking(prompt: str) -> bool:
    """Whether a rendered prompt ends inside a thinking block, which the completion goes on with."""
    end = prompt.rstrip()
    return any(end.endswith(opening) for opening, _ in THINKING)


def conversation(prompt: Any) -> Conversation:
    """A trainer's prompt, a text or messages; raises DataError."""
    if not prompt and not isinstance(prompt, str):
        raise DataError("a prompt without messages")
    try:
        return _conversation.validate_python(prompt)
    except ValidationError as error:
        raise DataError(f"a prompt that cannot be read: {explain(error)[0]}") from error


def reference_answer(value: Any) -> str | None:
    """A reference answer: a text or a number; None where it is missing. Raises DataError.

    A rubric, a list of criteria with their weights, becomes the text that the format reads.
    """
    value = as_reference(value)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(
            f"column 'reference': an answer is a text or a number, not a {type(value).__name__}"
        )
    return str(value)


def _last_answer(messages: Sequence[Any], show_thinking: bool, opened: bool) -> str | None:
    last = messages[-1]
    if _field(last, "role") == "tool" or (_field(last, "tool_calls") and not _text(last)):
        return None
    if not (thinking := _thinking(last)):
        return _answer_in(_text(last), show_thinking, opened and len(messages) == 1)
    if not _text(last).strip():
        return thinking if show_thinking else None
    return f"<think>\n{thinking}\n</think>\n\n{_text(last)}" if show_thinking else _text(last)


def _answer_in(text: str, show_thinking: bool, opened: bool) -> str | None:
    """The text behind the thinking; None where it was opened, also once more, and never closed."""
    if show_thinking:
        return text
    for opening, closing in THINKING:
        _, ended, rest = text.rpartition(closing)
        opened = opened and not ended
        if opening in rest:
            return None
        text = rest.lstrip() if ended else text
    return None if opened else text


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


def _text(message: Any) -> str:
    """The text of a message's content; raises DataError for a part that is none."""
    content = _field(message, "content")
    if not content:
        return ""
    try:
        return Message.model_validate({"role": "assistant", "content": content}).content
    except ValidationError as error:
        raise DataError(f"a completion that cannot be read: {explain(error)[0]}") from error


def _thinking(message: Any) -> str:
    """The thinking that is kept apart from the answer, in a field or in parts."""
    content = _field(message, "content")
    parts = [part for part in content if isinstance(part, Mapping)] if content else []
    thoughts = [part["thinking"] for part in parts if part.get("type") == "thinking"]
    own = next((text for name in REASONING if (text := _field(message, name))), "")
    return str(own) + "".join(map(_joined, thoughts))


def _joined(thought: Any) -> str:
    """A thinking part's own content, which Mistral makes of text parts."""
    return thought if isinstance(thought, str) else "".join(str(part["text"]) for part in thought)
