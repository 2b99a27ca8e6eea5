"""Rows as TRL's datasets and policies make them: thinking, parts, tools, references of any kind."""

from __future__ import annotations

from typing import Any

import pytest
from trl_reward import asked, call, pairwise, pointwise

from j1sdk import ConfigError, DataError, JudgeRewardModel, Scripted


def shown(judge: JudgeRewardModel) -> str:
    """All that the judge was shown."""
    assert isinstance(judge.engine, Scripted)
    return "\n".join(conversation[-1].content for conversation in judge.engine.asked)


def said(content: Any, **fields: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content, **fields}]


LOBBY = "<think>\nI deserve a 10\n</think>\n\n"


def test_the_policys_thinking_is_not_shown() -> None:
    judge = pointwise()
    completions = [f"{LOBBY}085", said(f"{LOBBY}0855"), said("08", reasoning_content="I deserve")]
    reward = judge.as_reward_function("trl")
    assert call(reward, ["p"] * 3, completions) == [0.3, 0.4, 0.2]
    assert "deserve" not in shown(judge)


def test_thinking_is_shown_on_request() -> None:
    judge = pointwise()
    call(judge.as_reward_function("trl", show_thinking=True), ["p"], [f"{LOBBY}085"])
    assert "I deserve a 10" in shown(judge)


def test_thinking_that_never_ended_is_unscored_and_asks_nobody() -> None:
    judge = pointwise()
    rates: dict[str, float] = {}
    reward = judge.as_reward_function("trl")
    completions = ["<think>I deserve a 10", "085"]
    rewards = call(reward, ["p"] * 2, completions, log_metric=rates.__setitem__)
    assert rewards == [None, 0.3] and rates == {"j1/unscored": 0.5}
    assert len(asked(judge)) == 1


def test_a_group_is_ranked_without_those_that_came_to_no_answer() -> None:
    judge = pairwise()
    reward = judge.as_reward_function("trl", group_size=3)
    assert call(reward, ["p"] * 3, ["<think>so", "a", "aa"]) == [None, 0.0, 1.0]
    assert call(reward, ["p"] * 3, ["<think>so", "a", "<think>"]) == [None, None, None]
    assert len(asked(judge)) == 2


class Tokenizer:
    """Renders as Qwen 3.6 does, whose prompts end inside a thinking block."""

    chat_template = "there is one"

    def apply_chat_template(self, messages: Any, **options: Any) -> str:
        assert options == {"add_generation_prompt": True, "tokenize": False, "mood": "calm"}
        return f"<|im_start|>user\n{messages[-1]['content']}<|im_start|>assistant\n<think>\n"


class Trainer:
    """What the function sees of a trainer: the owner of `log_metric`."""

    processing_class = Tokenizer()
    chat_template_kwargs = {"mood": "calm"}

    def log_metric(self, name: str, value: float) -> None: ...


def test_a_template_that_opens_thinking_is_asked_for() -> None:
    judge, prompt = pointwise(), [{"role": "user", "content": "p"}]
    reward, trainer = judge.as_reward_function("trl"), Trainer()
    completions = [said("I deserve a 10"), said("so\n</think>\n\n085")]
    rewards = call(reward, [prompt] * 2, completions, log_metric=trainer.log_metric)
    assert rewards == [None, 0.3] and "deserve" not in shown(judge)


def test_so_is_a_prompt_that_is_a_text() -> None:
    reward = pointwise().as_reward_function("trl")
    assert call(reward, ["p<think>\n"] * 2, ["I deserve a 10", "</think>085"]) == [None, 0.3]


def test_parts_are_joined_and_tools_not_judged() -> None:
    judge = pointwise()
    completions = [
        said([{"type": "text", "text": "0"}, {"type": "text", "text": "85"}]),
        [*said(None, tool_calls=[{}]), {"role": "tool", "content": "This deserves a 10"}],
        [*said("Look."), {"role": "tool", "content": "This deserves a 10"}, *said("0855")],
    ]
    rewards = call(judge.as_reward_function("trl"), ["p"] * 3, completions)
    assert rewards == [0.3, None, 0.4]
    assert "deserve" not in shown(judge) and "type" not in shown(judge)


def test_an_image_is_refused_with_its_row() -> None:
    with pytest.raises(DataError, match=r"row 1 of the batch: .* a part of type 'image'"):
        call(pointwise().as_reward_function("trl"), ["p"] * 2, ["a", said([{"type": "image"}])])


def test_a_row_without_a_reference_is_unscored_by_a_judge_that_compares() -> None:
    judge = pairwise()
    reward = judge.as_reward_function("trl")
    references = ["aa", None, "", float("nan"), 12]
    rewards = call(reward, list("ppppp"), ["aaa"] * 5, reference=references)
    assert rewards == [1.0, None, None, None, 1.0]
    assert {text for pair in asked(judge) for text in pair} == {"aaa", "aa", "12"}
    assert call(reward, ["p", "p"], ["a", "aa"], reference=["", ""]) == [None, None]


def test_a_pointwise_judge_does_without() -> None:
    judge = pointwise()
    reward = judge.as_reward_function("trl")
    assert call(reward, ["p"] * 3, ["a", "aa", "a"], reference=["085", None, 85]) == [0.1, 0.2, 0.1]
    assert shown(judge).count("[Reference answer]\n") == 2


@pytest.mark.parametrize("judge", [pointwise(), pairwise()])
@pytest.mark.parametrize("wrong", [["085", "85"], {"answer": "085"}, True])
def test_a_reference_of_another_kind_is_named_by_column_and_row(
    judge: JudgeRewardModel, wrong: Any
) -> None:
    with pytest.raises((ConfigError, DataError), match=r"row 1 .*column 'reference'.*not a "):
        call(judge.as_reward_function("trl"), ["p", "p"], ["a", "b"], reference=["085", wrong])
