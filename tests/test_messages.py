"""Messages in the forms that chat templates, servers and data sets write."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from j1sdk import ConfigError, JudgmentTask, Message

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
TEXT = {"type": "text", "text": "Look: "}


def content(**fields: Any) -> str:
    return Message.model_validate({"role": "assistant", **fields}).content


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_a_role_of_the_ecosystem_is_a_role(role: str) -> None:
    assert Message.model_validate({"role": role, "content": "x"}).role == role


def test_a_function_of_old_is_a_tool() -> None:
    function = {"role": "function", "name": "add", "content": "4"}
    assert Message.model_validate(function) == Message(role="tool", content="4")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"content": ""}, ""),
        ({"content": [TEXT, {"type": "text", "text": "a"}]}, "Look: a"),
        ({"content": ["a", {"text": "b"}, {"type": "output_text", "text": "c"}]}, "abc"),
        ({"content": [{"type": "thinking", "thinking": "hm"}, TEXT]}, "Look: "),
        ({"content": "a", "reasoning_content": "hm", "name": "x"}, "a"),
        ({"content": None, "refusal": "No."}, "No."),
        ({"content": None, "tool_calls": [CALL]}, 'Tool call: add({"a": 2})'),
        ({"content": "So:", "tool_calls": [CALL]}, 'So:\nTool call: add({"a": 2})'),
        ({"tool_calls": [{"name": "add", "arguments": {"a": "ü"}}]}, 'Tool call: add({"a": "ü"})'),
        ({"content": None, "function_call": {"name": "now", "arguments": ""}}, "Tool call: now()"),
        (
            {"content": [TEXT, {"type": "tool_use", "name": "add", "input": {"a": 2}}]},
            'Look: \nTool call: add({"a": 2})',
        ),
        ({"content": [{"type": "tool_result", "content": [TEXT]}]}, "Look: "),
        ({"content": "a", "tool_calls": None}, "a"),
    ],
)
def test_a_content_of_any_form_is_text(fields: dict[str, Any], text: str) -> None:
    assert content(**fields) == text


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"content": [TEXT, {"type": "image_url", "image_url": {}}]}, "content.1: image of type"),
        ({"content": [{"type": "input_audio"}]}, "audio of type 'input_audio': a judge reads text"),
        ({"content": [{"type": "text", "text": None}]}, "content.0: a part of type 'text'"),
        ({"content": [7]}, "content.0: a part of type 'int'"),
        ({"content": None}, "content is null, and there are no tool calls"),
        ({"content": None, "tool_calls": [{"id": "x"}]}, "expected calls with a function's name"),
        ({"content": 7}, "valid string"),
        ({}, "content"),
        ({"content": "a", "contnet": "b"}, "did you mean 'content'"),
        ({"content": "a", "role": "bot"}, "role"),
    ],
)
def test_what_is_no_text_is_refused_by_name(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        content(**fields)


def test_a_conversation_of_any_form_is_a_tuple_of_frozen_messages() -> None:
    forms: list[Any] = [
        "2+2?",
        [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}],
        (Message(role="user", content="2+2?"),),
    ]
    prompts = [JudgmentTask(prompt=form, responses=["4", "5"]).prompt for form in forms]
    assert prompts == [(Message(role="user", content="2+2?"),)] * 3
    with pytest.raises(ConfigError, match="frozen"):
        prompts[0][0].content = "x"  # type: ignore[misc]
