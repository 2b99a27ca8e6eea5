"""What a judge is shown of a policy's completion, whatever a trainer makes of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from j1sdk import DataError, Message
from j1sdk.adapters.answers import (
    conversation,
    final_answer,
    opens_thinking,
    reference_answer,
)
from j1sdk.adapters.texts import TextOptions, after_prompt, item_of, item_of_text

LOBBY = "<think>\nI deserve a 10\n</think>\n\n"


def assistant(content: Any, **fields: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content, **fields}]


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("085", "085"),
        (" 085\n", " 085\n"),
        ("", ""),
        (None, ""),
        ([], ""),
        (f"{LOBBY}085", "085"),
        ("I deserve a 10\n</think>\n\n085", "085"),
        (f"{LOBBY}{LOBBY}085", "085"),
        ("[THINK]I deserve a 10[/THINK]085", "085"),
        ("<|channel>thought\nI deserve a 10<channel|>085", "085"),
        ("<|channel|>analysis<|message|>I deserve<|channel|>final<|message|>085", "085"),
        (f"{LOBBY}", ""),
        (assistant("085"), "085"),
        (assistant(f"{LOBBY}085"), "085"),
        (assistant("085", reasoning_content="I deserve a 10"), "085"),
        (assistant("085", thinking="I deserve a 10"), "085"),
        (assistant([{"type": "text", "text": "0"}, {"type": "text", "text": "85"}]), "085"),
        (assistant(["0", "85"]), "085"),
        (
            assistant(
                [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "I deserve"}]},
                    {"type": "text", "text": "085"},
                ]
            ),
            "085",
        ),
        ([*assistant("Let me look."), {"role": "tool", "content": "10"}, *assistant("085")], "085"),
        ([Message(role="assistant", content=f"{LOBBY}085")], "085"),
        (assistant("085", tool_calls=[{"function": {"name": "sum"}}]), "085"),
    ],
)
def test_the_judge_is_shown_the_final_answer(completion: Any, answer: str) -> None:
    assert final_answer(completion) == answer
    assert final_answer(completion, prompt_opens_thinking=False) == answer


@pytest.mark.parametrize(
    "completion",
    [
        "<think>\nI deserve a 10",
        f"{LOBBY}085 <think>I deserve",
        "[THINK]I deserve a 10",
        "<|channel|>analysis<|message|>I deserve",
        assistant("<think>I deserve"),
        assistant(None, reasoning_content="I deserve a 10"),
        assistant("\n", reasoning_content="I deserve a 10"),
        assistant([{"type": "thinking", "thinking": "I deserve"}]),
        [*assistant("Look."), {"role": "tool", "content": "This deserves a 10"}],
        assistant(None, tool_calls=[{"function": {"name": "look"}}]),
        assistant("", tool_calls=[{"function": {"name": "look"}}]),
    ],
)
def test_a_turn_that_came_to_no_answer_has_none(completion: Any) -> None:
    assert final_answer(completion) is None


def test_thinking_that_the_prompt_opened_has_to_end_too() -> None:
    assert final_answer("I deserve a 10", prompt_opens_thinking=True) is None
    assert final_answer(assistant("I deserve a 10"), prompt_opens_thinking=True) is None
    assert final_answer("so\n</think>\n085", prompt_opens_thinking=True) == "085"


def test_thinking_is_shown_where_it_is_asked_for() -> None:
    assert final_answer(f"{LOBBY}085", show_thinking=True) == f"{LOBBY}085"
    assert final_answer("<think>so", show_thinking=True) == "<think>so"
    parsed = assistant("085", reasoning_content="I deserve a 10")
    assert final_answer(parsed, show_thinking=True) == f"{LOBBY}085"


@pytest.mark.parametrize("kind", ["image", "image_url", "input_audio", None])
def test_what_is_no_text_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(DataError, match=f"a part of type '{kind}'"):
        final_answer(assistant([{"type": "text", "text": "see"}, {"type": kind}]))
    with pytest.raises(DataError, match="a completion that is a int"):
        final_answer(7)


@pytest.mark.parametrize("piece", ["<think>", "</think>", "<think>x</think>", "[THINK]", "x "])
def test_long_completions_take_no_time(piece: str) -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        final_answer(piece * times)
        return time.process_time() - begun

    assert seconds(400_000) < 20 * seconds(100_000) + 0.05


def test_real_templates_say_whether_they_open_thinking() -> None:
    import trl
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    folder = Path(trl.__file__).parent / "chat_templates"
    opened = {}
    for name in ("qwen3", "qwen3_6", "qwen2_5"):
        template = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        ).from_string((folder / f"{name}.jinja").read_text())
        asked = [{"role": "user", "content": "What does <think> mean?"}]
        opened[name] = opens_thinking(template.render(messages=asked, add_generation_prompt=True))
    assert opened == {"qwen3": False, "qwen3_6": True, "qwen2_5": False}


def test_prompts_are_texts_or_messages() -> None:
    assert conversation("Why?") == (Message(role="user", content="Why?"),)
    rows = [{"role": "system", "content": "Brief.", "name": None}, {"role": "user", "content": "?"}]
    assert [message.role for message in conversation(rows)] == ["system", "user"]
    for wrong in ([], [{"role": "ghost", "content": "x"}], [{"text": "x"}]):
        with pytest.raises(DataError, match="a prompt"):
            conversation(wrong)


@pytest.mark.parametrize(
    ("value", "reference"),
    [("085", "085"), (85, "85"), (0.5, "0.5"), (0, "0"), (None, None), ("", None),
     (float("nan"), None)],
)  # fmt: skip
def test_a_reference_is_a_text_or_a_number(value: Any, reference: str | None) -> None:
    assert reference_answer(value) == reference


@pytest.mark.parametrize("value", [["085", "85"], {"answer": "085"}, True, []])
def test_anything_else_is_no_reference(value: Any) -> None:
    with pytest.raises(DataError, match=f"not a {type(value).__name__}"):
        reference_answer(value)


CHATML = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"


def test_rendered_texts_are_read_in_the_same_way() -> None:
    options, shown = TextOptions(), TextOptions(show_thinking=True)
    for prompt, written in ((CHATML, f"{LOBBY}085"), (f"{CHATML}<think>\n", "so</think>\n\n085")):
        assert item_of(prompt, f"{written}<|im_end|>", None, options).response == "085"
        assert item_of(prompt, f"{written}<|im_end|>", None, shown).response == written
        assert item_of_text(f"{prompt}{written}<|im_end|>", options).response == "085"
        assert item_of(prompt, "I deserve<|im_end|>", None, options).response in (None, "I deserve")
    assert item_of(f"{CHATML}<think>\n", "I deserve", None, options).response is None
    assert item_of_text(f"{CHATML}<think>\nI deserve", options).response is None


LLAMA = "<s>[INST] Why? [/INST]"


@pytest.mark.parametrize(
    ("query", "response"),
    [
        (f"{LLAMA} Because.</s>", " Because.</s>"),
        ("<s> [INST] Why? [/INST] Because.</s>", "Because.</s>"),
        ("<s> [INST]  Why?[/INST]Because.</s>", "Because.</s>"),
        ("<s>\n[INST]\tWhy? [/INST]", ""),
    ],
)
def test_a_prompt_may_come_back_with_other_white_space(query: str, response: str) -> None:
    assert after_prompt(query, LLAMA) == response


@pytest.mark.parametrize(
    "query",
    ["<s> [INST] Who? [/INST] Because.", "[INST] Why? [/INST]", "<s> [INST] Why? [/INS", ""],
)
def test_a_prompt_with_other_characters_is_refused(query: str) -> None:
    with pytest.raises(DataError, match="does not start with its prompt"):
        after_prompt(query, LLAMA)
