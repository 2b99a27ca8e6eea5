"""A turn of a conversation, from what chat templates, servers and data sets write.

The common form is OpenAI's: a role, content as text or as parts, tool calls beside it. Here a turn
is a role and a text: text parts are joined as chat templates join them, tool calls and results are
shown as text, and what is no text (images, audio) is refused by name. Thinking that is kept apart
from the answer (`reasoning_content`, parts of type `thinking`) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from j1sdk.component import Value

TEXT_PARTS = ("text", "input_text", "output_text", None)
THINKING_PARTS = ("thinking", "redacted_thinking", "reasoning")
OTHER_MEDIA = ("image", "audio", "video", "file", "document")
CALLS = ("tool_calls", "function_call")
NOT_SHOWN = frozenset(
    (
        "annotations",
        "audio",
        "id",
        "name",
        "reasoning",
        "reasoning_content",
        "refusal",
        "thinking",
        "tool_call_id",
    )
)
"""What else messages have: known, so that it is no misspelt key, and not part of the text."""


def _current(role: Any) -> Any:
    """OpenAI's tools were functions first."""
    return "tool" if role == "function" else role


class Message(Value):
    """One turn of a conversation. Validation takes the ecosystem's other forms."""

    role: Annotated[
        Literal["system", "developer", "user", "assistant", "tool"], BeforeValidator(_current)
    ]
    content: str

    @model_validator(mode="before")
    @classmethod
    def _read_any_form(cls, data: Any) -> Any:
        if not isinstance(data, dict) or _is_plain(data):
            return data
        message = {key: data[key] for key in data.keys() - NOT_SHOWN - set(CALLS)}
        if "content" in data or any(data.get(key) for key in CALLS):
            message["content"] = _shown(data)
        return message


def _is_plain(data: Mapping[str, Any]) -> bool:
    return data.keys() == {"role", "content"} and isinstance(data["content"], str)


def _shown(data: Mapping[str, Any]) -> Any:
    """The content as text, then the tool calls, a line each; what is no content as it is."""
    content, calls = data.get("content"), [_call(call) for call in _calls(data)]
    if isinstance(content, list | tuple):
        calls = [*map(_call, _of_type(content, "tool_use")), *calls]
        content = "".join(_part(number, part) for number, part in enumerate(content))
    if content is None and data.get("refusal"):
        content = data["refusal"]
    if content is None and not calls:
        raise ValueError("content is null, and there are no tool calls")
    return "\n".join([*([content] if content else []), *calls]) if calls else content


def _calls(data: Mapping[str, Any]) -> list[Any]:
    calls, legacy = data.get("tool_calls") or (), data.get("function_call")
    return [*calls, *([legacy] if legacy else [])]


def _of_type(parts: Sequence[Any], kind: str) -> list[Any]:
    return [part for part in parts if isinstance(part, Mapping) and part.get("type") == kind]


def _call(call: Any) -> str:
    """`Tool call: name(arguments)`, of OpenAI's, the chat templates' or Anthropic's form."""
    function = call.get("function") or call if isinstance(call, Mapping) else {}
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ValueError(f"tool_calls: expected calls with a function's name, got {call!r:.80}")
    arguments = function.get("arguments", function.get("input"))
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {}, ensure_ascii=False, default=str)
    return f"Tool call: {function['name']}({arguments})"


def _part(number: int, part: Any) -> str:
    """The text of one part of a content; raises ValueError for what is no text."""
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind in TEXT_PARTS and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind in THINKING_PARTS or kind == "tool_use":
        return ""
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    if kind == "tool_result":
        return _result(part.get("content"))
    media = next((name for name in OTHER_MEDIA if name in str(kind)), None)
    raise ValueError(
        f"content.{number}: {media or 'a part'} of type {kind!r}: a judge reads text only."
        " Leave the record out, or put a description in its place"
    )


def _result(content: Any) -> str:
    if isinstance(content, list | tuple):
        return "".join(_part(number, part) for number, part in enumerate(content))
    return "" if content is None else str(content)


def as_conversation(prompt: Any) -> Any:
    """A text as one user message; anything else as it is."""
    return ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt


Conversation = Annotated[tuple[Message, ...], BeforeValidator(as_conversation)]
"""Messages, oldest first. Where one is expected, a string is taken as one user message."""
