"""A judge as the reward of a policy, inside the real GRPOTrainer."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_quickstart.models import make_model, make_tokenizer
from trl_reward import asked, call, length, pairwise, pointwise

from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, UnscoredError
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel

GROUP = 4


def digest(text: str) -> float:
    """Tells texts of one length apart."""
    return float(sum(map(ord, text)) % 11)


def improve(
    reward: Callable[..., Any], out: Path, prompts: Sequence[Any], steps: int = 1, **columns: Any
) -> list[dict[str, Any]]:
    """The log of a GRPO run of a policy with random weights."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = make_tokenizer([])
    config = GRPOConfig(
        output_dir=str(out), max_steps=steps, num_generations=GROUP, logging_steps=1,
        per_device_train_batch_size=GROUP * len(prompts), max_completion_length=5,
        gradient_checkpointing=False, use_cpu=True, bf16=False, dataloader_pin_memory=False,
        save_strategy="no", report_to=[], disable_tqdm=True,
    )  # fmt: skip
    trainer = GRPOTrainer(
        model=make_model(tokenizer, seed=0, hidden=16, layers=1), args=config, reward_funcs=reward,
        processing_class=tokenizer,
        train_dataset=Dataset.from_dict({"prompt": list(prompts), **columns}),
    )  # fmt: skip
    trainer.train()
    log: list[dict[str, Any]] = trainer.state.log_history
    return log


STRINGS = ("say something", "say it again")
CONVERSATIONS = tuple([{"role": "user", "content": text}] for text in STRINGS)


@pytest.mark.parametrize("prompts", [STRINGS, CONVERSATIONS], ids=["strings", "conversations"])
def test_a_pointwise_judge_scores_every_completion(prompts: Sequence[Any], tmp_path: Path) -> None:
    judge = pointwise(digest)
    first = improve(judge.as_reward_function("trl", unscored="floor"), tmp_path, prompts)[0]
    completions = [responses[0] for responses in asked(judge)]
    assert len(completions) == GROUP * len(prompts)
    scores = [0.0 if "?" in text else digest(text) / 10 for text in completions]
    assert len(set(scores)) > 2
    assert first["rewards/judge_pointwise/mean"] == pytest.approx(sum(scores) / len(scores))
    assert first["j1/unscored"] == sum("?" in one for one in completions) / 8


def test_a_pairwise_judge_ranks_each_group(tmp_path: Path) -> None:
    judge = pairwise(digest)
    reward = judge.as_reward_function("trl", unscored="neutral", group_size=GROUP)
    log = improve(reward, tmp_path, STRINGS, steps=2)
    # wins and losses of a group add up to one half each, whatever the judge prefers
    means = [entry["rewards/judge_pairwise_scores/mean"] for entry in log[:2]]
    assert means == pytest.approx([0.5, 0.5])
    assert all(entry["rewards/judge_pairwise_scores/std"] > 0 for entry in log[:2])
    assert all(entry["grad_norm"] > 0 for entry in log[:2])
    assert len(asked(judge)) == 2 * len(STRINGS) * GROUP * (GROUP - 1)


def against(references: Sequence[str], pair: Sequence[str]) -> float:
    """What a completion earns in a comparison by length with its reference."""
    own = pair[0] if pair[1] in references else pair[1]
    other = pair[1] if own is pair[0] else pair[0]
    if "?" in own:
        return 0.5
    return (length(own) > length(other)) + 0.5 * (length(own) == length(other))


def test_a_pairwise_judge_compares_with_a_reference_column(tmp_path: Path) -> None:
    judge = pairwise()
    references = ["nothing is as long as this", "ab"]
    reward = judge.as_reward_function("trl", unscored="neutral")
    first = improve(reward, tmp_path, STRINGS, reference=references)[0]
    pairs = asked(judge)
    assert len(pairs) == 2 * GROUP * len(STRINGS)
    assert all(set(pair) & set(references) for pair in pairs)
    expected = sum(against(references, pair) for pair in pairs) / len(pairs)
    assert first["rewards/judge_pairwise_scores/mean"] == pytest.approx(expected)


def test_an_asynchronous_reward_works_in_a_trainer(tmp_path: Path) -> None:
    judge = pairwise(digest)
    reward = judge.as_reward_function("trl", unscored="neutral", asynchronous=True, log_name="mine")
    first = improve(reward, tmp_path, STRINGS)[0]
    assert first["rewards/mine/mean"] == pytest.approx(0.5)
    assert first["rewards/mine/std"] > 0
    assert "j1/unscored" in first


def test_a_trainer_goes_on_where_nothing_could_be_scored(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    first = improve(judge.as_reward_function("trl"), tmp_path, STRINGS)[0]
    assert first["j1/unscored"] == 1.0
    assert first["grad_norm"] == 0.0


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("unscored", "expected"),
    [("drop", [None, 0.2]), ("neutral", [0.5, 0.2]), ("floor", [0.0, 0.2])],
)
def test_a_failed_judgment_is_what_was_declared(
    unscored: Any, expected: list[float | None], asynchronous: bool
) -> None:
    reward = pointwise().as_reward_function("trl", unscored=unscored, asynchronous=asynchronous)
    assert call(reward, ["p", "p"], ["a?", "ab"]) == expected


def test_by_default_it_is_dropped() -> None:
    assert call(pointwise().as_reward_function("trl"), ["p"], ["a?"]) == [None]


def test_a_failed_judgment_can_be_an_error() -> None:
    reward = pointwise().as_reward_function("trl", unscored="error")
    assert call(reward, ["p", "p"], ["a", "ab"]) == [0.1, 0.2]
    with pytest.raises(UnscoredError, match="1 of 2 responses could not be scored"):
        call(reward, ["p", "p"], ["a?", "ab"])


def test_the_rate_of_failures_is_logged_whatever_stands_for_them() -> None:
    logged: dict[str, float] = {}
    reward = pointwise().as_reward_function("trl", unscored="neutral")
    batch = (["p"] * 4, ["a?", "a", "b", "c"])
    call(reward, *batch, log_metric=logged.__setitem__, trainer_state=None, log_extra=None)
    assert logged == {"j1/unscored": 0.25}


def test_each_function_has_a_name_to_be_logged_under() -> None:
    names = [
        judge.as_reward_function("trl", log_name=name).__name__
        for judge in (pointwise(), pairwise())
        for name in (None, "other")
    ]
    assert names == ["judge_pointwise", "other", "judge_pairwise_scores", "other"]


def test_equal_prompts_are_as_many_groups_as_they_are() -> None:
    reward = pairwise().as_reward_function("trl", group_size=2)
    completions = ["a", "aaa", "aaaa", "aaaaa"]
    assert call(reward, ["p"] * 4, completions) == [0.0, 1.0, 0.0, 1.0]


def test_a_groups_mean_stands_for_what_was_not_scored() -> None:
    texts = ["a", "?", "aaa", "?", "??", "???"]
    alone = pointwise().as_reward_function("trl", group_size=3, unscored="group")
    assert call(alone, ["p"] * 6, texts) == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.5, 0.5])
    ranked = pairwise().as_reward_function("trl", group_size=3, unscored="group")
    assert call(ranked, ["p"] * 6, texts) == [0.0, 0.5, 1.0, 0.5, 0.5, 0.5]


def test_evaluation_has_groups_of_its_own_size(tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    tokenizer, judge = make_tokenizer([]), pairwise(digest)
    config = GRPOConfig(
        output_dir=str(tmp_path), num_generations=GROUP, num_generations_eval=2,
        per_device_train_batch_size=GROUP, per_device_eval_batch_size=4, max_completion_length=5,
        gradient_checkpointing=False, use_cpu=True, bf16=False, dataloader_pin_memory=False,
        save_strategy="no", report_to=[], disable_tqdm=True,
    )  # fmt: skip
    rows = Dataset.from_dict({"prompt": list(STRINGS)})
    trainer = GRPOTrainer(
        model=make_model(tokenizer, seed=0, hidden=16, layers=1), args=config,
        reward_funcs=judge.as_reward_function("trl", unscored="neutral"),
        processing_class=tokenizer, train_dataset=rows, eval_dataset=rows,
    )  # fmt: skip
    measured = trainer.evaluate()
    assert measured["eval_rewards/judge_pairwise_scores/mean"] == pytest.approx(0.5)
    assert len(asked(judge)) == 2 * 2, "one pair for each prompt, in both orders"


class Trainer:
    """What the function sees of a trainer: the owner of `log_metric`."""

    num_generations = 4

    def log_metric(self, name: str, value: float) -> None: ...


def test_a_size_that_is_not_the_trainers_is_refused() -> None:
    reward = pairwise().as_reward_function("trl", group_size=2)
    with pytest.raises(ConfigError, match="is 2, but the trainer's num_generations is 4"):
        call(reward, ["p"] * 2, ["a", "b"], log_metric=Trainer().log_metric)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_function_pickles(asynchronous: bool) -> None:
    engine = Scripted(answers=(Pointwise().write((7.0,)),))
    judge = JudgeRewardModel(format=Pointwise(), engine=engine)
    reward = judge.as_reward_function("trl", asynchronous=asynchronous)
    again = pickle.loads(pickle.dumps(reward))
    assert again.__name__ == "judge_pointwise"
    assert inspect.iscoroutinefunction(again.__call__) is asynchronous
    assert call(again, ["p"], ["a"]) == [0.7]


def test_a_reference_decides_completion_by_completion() -> None:
    reward = pairwise().as_reward_function("trl", group_size=4)
    rewards = call(reward, ["p", "p", "q"], ["a", "aa", "aaa"], reference=["aa", "aa", "aa"])
    assert rewards == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    "prompts", [["p", "p"], ["p"], ["p"] * 3 + ["q"], ["p", "q", "p", "q"], ["p"] * 6]
)
def test_half_a_group_is_refused(prompts: list[str]) -> None:
    judge = pairwise()
    reward = judge.as_reward_function("trl", group_size=4)
    with pytest.raises(ConfigError, match=r"of the batch are not groups of 4.*num_generations"):
        call(reward, prompts, [str(place) for place, _ in enumerate(prompts)])
    assert not asked(judge)


def test_a_group_whose_size_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="Set group_size to num_generations"):
        call(pairwise().as_reward_function("trl"), ["p", "p"], ["a", "b"])


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'group_sise'; did you mean 'group_size'"):
        pairwise().as_reward_function("trl", group_sise=2)
    with pytest.raises(ConfigError, match="Input should be 'drop', 'group'"):
        pairwise().as_reward_function("trl", unscored="none")


def test_a_dialogue_reaches_the_judge_with_the_last_words_of_the_policy() -> None:
    judge = pointwise()
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}]
    reward = judge.as_reward_function("trl")
    assert call(reward, [prompt], [[{"role": "assistant", "content": "Yes"}]]) == [0.3]
    assert isinstance(judge.engine, Scripted)
    assert "System: Be brief.\n\nUser: Well?" in judge.engine.asked[0][-1].content


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(ConfigError, match="no adapter is called 'tlr'; did you mean 'trl'"):
        pointwise().as_reward_function("tlr")


def test_online_dpo_makes_no_zero_of_a_failure() -> None:
    with pytest.raises(ConfigError, match="makes 0 of a missing reward"):
        pairwise().as_reward_function("trl", online_dpo=True, group_size=2)
    with pytest.raises(ConfigError, match="no coroutine function"):
        pairwise().as_reward_function(
            "trl", online_dpo=True, group_size=2, unscored="group", asynchronous=True
        )
    options = {"online_dpo": True, "group_size": 2, "unscored": "group"}
    reward = pointwise().as_reward_function("trl", **options)
    # first completions of both prompts, then the second ones; what is judged fails at "?"
    assert call(reward, ["p", "q", "p", "q"], ["abcd", "ab", "a?", "abcdef"]) == [
        0.4,
        0.2,
        0.4,
        0.6,
    ]
