"""What goes wrong in the first hour: each mistake is one error of ours that says what to type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from j1sdk import (
    ConfigError,
    J1Error,
    JudgeRewardModel,
    JudgmentTask,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
)
from j1sdk.run import build_run

JUDGE = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=("x",)))
ALONE = JUDGE.replace(format=Pointwise())
TASK = JudgmentTask.from_pair("q", chosen="a", rejected="b")
THREE = JudgmentTask.model_validate({"prompt": "q", "responses": ["a", "b", "c"]})

Mistake = Callable[[Any], object]
MISTAKES: dict[str, tuple[Mistake, str]] = {
    "a task without a list": (
        lambda judge: judge.judge(TASK),
        r"judge takes a list of tasks: judge\(\[JudgmentTask\(",
    ),
    "texts in place of tasks": (
        lambda judge: judge.judge(["q", "a"]),
        "judge takes a list of tasks",
    ),
    "a text in place of responses": (
        lambda judge: judge.rank("q", "abc"),
        r"rank takes a list of responses: rank\(prompt, \[first",
    ),
    "no responses": (lambda judge: judge.rank("q", []), "no responses to rank"),
    "a reference too few": (
        lambda judge: judge.score(["q", "r"], ["a", "b"], ["c"]),
        "1 references for 2 responses",
    ),
    "a prompt too few": (
        lambda judge: judge.score(["q"], ["a", "b"], ["c", "d"]),
        "1 prompts for 2 responses",
    ),
    "one prompt": (lambda judge: judge.score("q", ["a"]), r"score takes two lists: score\(\["),
    "one response": (lambda judge: judge.score(["q"], "a"), "score takes two lists"),
    "three responses": (
        lambda judge: judge.judge([THREE]),
        r"3 responses, and pairwise-verdict judges two: use rank\(prompt, responses\),"
        " `j1 eval --benchmark pairs --data FILE`, or format `pointwise`",
    ),
    "a misspelt name": (
        lambda judge: judge.replace(format="pairwize-verdict"),
        "no format is called 'pairwize-verdict'; did you mean 'pairwise-verdict'",
    ),
    "a name of another kind": (
        lambda judge: judge.replace(format="scripted"),
        "no format is called 'scripted'",
    ),
    "a class": (
        lambda judge: judge.replace(format=PairwiseVerdict),
        r"PairwiseVerdict is a class: write PairwiseVerdict\(\)",
    ),
    "an assignment": (
        lambda judge: setattr(judge, "orders", "first"),
        r"JudgeRewardModel is frozen: make a changed copy, \.replace\(orders='first'\)",
    ),
    "a wrong value": (
        lambda judge: Sampling(temperature=-1),
        "Sampling: temperature: Input should",
    ),
    "a response that is no list": (
        lambda judge: JudgmentTask(prompt="q", responses="ab"),
        "JudgmentTask: responses: Input should be a list",
    ),
    "something left out": (
        lambda judge: JudgeRewardModel(format=Pointwise()),  # type: ignore[call-arg]
        "JudgeRewardModel: engine: Field required",
    ),
}


@pytest.mark.parametrize("mistake, hint", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_says_what_to_type(mistake: Mistake, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint) as caught:
        mistake(JUDGE)
    assert isinstance(caught.value, J1Error) and isinstance(caught.value, ValueError)
    assert "pydantic" not in str(caught.value) and "http" not in str(caught.value)


def test_a_reference_too_few_for_a_pointwise_judge() -> None:
    with pytest.raises(ConfigError, match="1 references for 2 responses"):
        ALONE.score(["q", "r"], ["a", "b"], ["c"])


def test_a_component_may_be_named_in_python_too() -> None:
    named: Any = "pairwise-verdict"
    judge = JudgeRewardModel(format=named, engine=Scripted())
    assert judge.format == PairwiseVerdict()
    table: Any = {"name": "pointwise", "high": 5}
    assert judge.replace(format=table).format == Pointwise(high=5)


@pytest.mark.parametrize(
    "trainer, typed, meant",
    [
        ("grpo", "lr", "learning_rate"),
        ("grpo", "batch_size", "tasks_per_step"),
        ("sft", "lr", "learning_rate"),
        ("sft", "num_train_epochs", "epochs"),
        ("grpo", "num_generations", "rollouts"),
        ("grpo", "beta", "kl"),
        ("grpo", "max_steps", "steps"),
        ("dpo", "per_device_train_batch_size", "batch_size"),
        ("openrlhf", "batch_size", "tasks_per_step"),
        ("openrlhf-policy", "batch_size", "prompts_per_step"),
        ("grpo", "learningrate", "learning_rate"),
    ],
)
def test_a_word_of_other_libraries_suggests_ours(trainer: str, typed: str, meant: str) -> None:
    described = {
        "judge": {"format": "pairwise-verdict", "engine": "scripted"},
        "train": {"name": trainer, typed: 1},
    }
    with pytest.raises(ConfigError, match=f"unknown key '{typed}'; did you mean '{meant}'"):
        build_run(described)


@pytest.mark.parametrize("typed", ["max_tokens", "max_length"])
def test_so_it_does_for_sampling(typed: str) -> None:
    with pytest.raises(ConfigError, match="did you mean 'max_new_tokens'"):
        Sampling(**{typed: 5})


def test_the_reward_that_fits_is_named() -> None:
    described = {
        "judge": {"format": "pointwise", "engine": {"name": "transformers", "model": "judge"}},
        "data": {"name": "jsonl", "path": "pairs.jsonl"},
        "train": {"name": "grpo"},
    }
    run = build_run(described)
    assert run.train is not None
    with pytest.raises(ConfigError, match=r'set train\.rewards = \["score-ordering"\]'):
        run.train.check(run)
