"""A judge as the reward of a policy, inside the real GRPOTrainer and across two processes."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_quickstart.models import make_model, make_tokenizer

from j1sdk.engines.scripted import Answer, Scripted
from j1sdk.errors import ConfigError, EngineError, UnscoredError
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.types import Conversation, Sampling

GROUP = 4
SHOWN = re.compile(r"^\[Response(?: of assistant [AB])?\]\n(.*?)\n\[End of response", re.S | re.M)


def shown(conversation: Conversation) -> list[str]:
    """The responses a judge was asked about."""
    return SHOWN.findall(conversation[-1].content)


def length(text: str) -> float:
    return float(min(len(text), 10))


def digest(text: str) -> float:
    """Tells texts of one length apart."""
    return float(sum(map(ord, text)) % 11)


def scorer(score: Callable[[str], float]) -> Scripted:
    """An engine that has nothing to say about a response with a question mark."""

    def answer(conversation: Conversation, sampling: Sampling) -> Answer:
        responses = shown(conversation)
        if any("?" in response for response in responses):
            return EngineError("no answer")
        format = Pointwise() if len(responses) == 1 else PairwiseScores()
        return format.write(tuple(map(score, responses)))

    return Scripted(script=answer)


def pointwise(score: Callable[[str], float] = length) -> JudgeRewardModel:
    return JudgeRewardModel(format=Pointwise(), engine=scorer(score))


def pairwise(score: Callable[[str], float] = length) -> JudgeRewardModel:
    return JudgeRewardModel(format=PairwiseScores(), engine=scorer(score))


def asked(judge: JudgeRewardModel) -> list[list[str]]:
    assert isinstance(judge.engine, Scripted)
    return [shown(conversation) for conversation in judge.engine.asked]


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
    assert first["judge_pointwise/unscored_rate"] == sum("?" in one for one in completions) / 8


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
    references = ["nothing is as long as this", ""]
    reward = judge.as_reward_function("trl", unscored="neutral")
    first = improve(reward, tmp_path, STRINGS, reference=references)[0]
    pairs = asked(judge)
    assert len(pairs) == 2 * GROUP * len(STRINGS)
    assert all(set(pair) & set(references) for pair in pairs)
    expected = sum(against(references, pair) for pair in pairs) / len(pairs)
    assert first["rewards/judge_pairwise_scores/mean"] == pytest.approx(expected)


def test_an_asynchronous_reward_works_in_a_trainer(tmp_path: Path) -> None:
    judge = pairwise(digest)
    reward = judge.as_reward_function("trl", unscored="neutral", asynchronous=True, name="mine")
    assert inspect.iscoroutinefunction(reward)
    first = improve(reward, tmp_path, STRINGS)[0]
    assert first["rewards/mine/mean"] == pytest.approx(0.5)
    assert first["rewards/mine/std"] > 0
    assert "mine/unscored_rate" in first


def test_a_trainer_goes_on_where_nothing_could_be_scored(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    first = improve(judge.as_reward_function("trl"), tmp_path, STRINGS)[0]
    assert first["judge_pointwise/unscored_rate"] == 1.0
    assert first["grad_norm"] == 0.0


def call(reward: Callable[..., Any], prompts: Any, completions: Any, **columns: Any) -> Any:
    made = reward(prompts=prompts, completions=completions, **columns)
    return asyncio.run(made) if inspect.iscoroutine(made) else made


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("unscored", "expected"),
    [("none", [None, 0.2]), ("neutral", [0.5, 0.2]), ("floor", [0.0, 0.2])],
)
def test_a_failed_judgment_is_what_was_declared(
    unscored: Any, expected: list[float | None], asynchronous: bool
) -> None:
    reward = pointwise().as_reward_function("trl", unscored=unscored, asynchronous=asynchronous)
    assert call(reward, ["p", "p"], ["a?", "ab"]) == expected


def test_no_declaration_means_none() -> None:
    assert call(pointwise().as_reward_function("trl"), ["p"], ["a?"]) == [None]


def test_a_failed_judgment_can_be_an_error() -> None:
    reward = pointwise().as_reward_function("trl", unscored="error")
    assert call(reward, ["p", "p"], ["a", "ab"]) == [0.1, 0.2]
    with pytest.raises(UnscoredError, match="1 of 2 responses could not be scored"):
        call(reward, ["p", "p"], ["a?", "ab"])


def test_the_rate_of_failures_is_logged_whatever_stands_for_them() -> None:
    logged: dict[str, float] = {}
    reward = pointwise().as_reward_function("trl", unscored="neutral", name="j")
    batch = (["p"] * 4, ["a?", "a", "b", "c"])
    call(reward, *batch, log_metric=logged.__setitem__, trainer_state=None, log_extra=None)
    assert logged == {"j/unscored_rate": 0.25}


def test_each_function_has_a_name_to_be_logged_under() -> None:
    names = [
        judge.as_reward_function("trl", name=name).__name__
        for judge in (pointwise(), pairwise())
        for name in (None, "other")
    ]
    assert names == ["judge_pointwise", "other", "judge_pairwise_scores", "other"]


def test_a_group_is_ranked_wherever_its_completions_stand() -> None:
    reward = pairwise().as_reward_function("trl", group_size=3)
    prompts, completions = ["p", "q", "p", "q", "q", "p"], ["aaa", "x", "a", "xxx", "xx", "aa"]
    assert call(reward, prompts, completions) == [1.0, 0.0, 0.0, 1.0, 0.5, 0.5]


def test_a_reference_decides_completion_by_completion() -> None:
    reward = pairwise().as_reward_function("trl", group_size=4)
    rewards = call(reward, ["p", "p", "q"], ["a", "aa", "aaa"], reference=["aa", "aa", "aa"])
    assert rewards == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("prompts", "group_size"), [(["p", "p"], 4), (["p"], None), (["p"] * 3 + ["q"], None)]
)
def test_half_a_group_is_refused(prompts: list[str], group_size: int | None) -> None:
    judge = pairwise()
    reward = judge.as_reward_function("trl", group_size=group_size)
    with pytest.raises(ConfigError, match=r"but the batch holds \d of one.*num_generations"):
        call(reward, prompts, [str(place) for place, _ in enumerate(prompts)])
    assert not asked(judge)


def test_a_dialogue_reaches_the_judge_with_the_last_words_of_the_policy() -> None:
    judge = pointwise()
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Well?"}]
    reward = judge.as_reward_function("trl")
    assert call(reward, [prompt], [[{"role": "assistant", "content": "Yes"}]]) == [0.3]
    assert isinstance(judge.engine, Scripted)
    assert "System: Be brief.\n\nUser: Well?" in judge.engine.asked[0][-1].content


def test_an_unknown_framework_is_refused() -> None:
    with pytest.raises(ConfigError, match="no framework 'tlr'; did you mean 'trl'"):
        pointwise().as_reward_function("tlr")  # type: ignore[arg-type]


WORKER = """
import asyncio, inspect, json, sys
import torch.distributed as dist
sys.path.insert(0, {tests!r})
from test_serving_trl import asked, pairwise

dist.init_process_group("gloo")
rank, seen = dist.get_rank(), {{}}
batches = {{
    "split": [(["p", "p", "q"], ["a", "aaa", "x"]), (["p", "q", "q"], ["aa", "xxx", "xx"])],
    "empty": [(["p", "p"], ["a", "aa"]), ([], [])],
    "short": [(["p", "p"], ["a", "aa"]), (["p", "q"], ["aaa", "x"])],
}}
for asynchronous in (False, True):
    for name, batch in batches.items():
        judge = pairwise()
        reward = judge.as_reward_function("trl", asynchronous=asynchronous)
        try:
            scores = reward(prompts=batch[rank][0], completions=batch[rank][1])
            scores = asyncio.run(scores) if inspect.iscoroutine(scores) else scores
        except ValueError as error:
            scores = str(error)
        seen[name + str(asynchronous)] = [scores, asked(judge)]
with open({out!r} + f"/{{rank}}.json", "w") as file:
    json.dump(seen, file)
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes got for its rows, and asked its judge."""
    out = tmp_path_factory.mktemp("ranks")
    worker = out / "worker.py"
    worker.write_text(WORKER.format(tests=str(Path(__file__).parent), out=str(out)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    place = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    environment = os.environ | {
        "TMPDIR": str(out), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }  # fmt: skip
    done = subprocess.run(
        [*launch, *place, str(worker)], env=environment, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("form", ["False", "True"])
def test_a_group_split_over_processes_is_ranked_whole(
    ranks: list[dict[str, Any]], form: str
) -> None:
    assert [rank["split" + form][0] for rank in ranks] == [[0.0, 1.0, 0.0], [0.5, 1.0, 0.5]]


@pytest.mark.parametrize("form", ["False", "True"])
def test_each_group_is_ranked_by_one_process(ranks: list[dict[str, Any]], form: str) -> None:
    letters = [{text[0] for pair in rank["split" + form][1] for text in pair} for rank in ranks]
    assert letters == [{"a"}, {"x"}]
    assert [len(rank["split" + form][1]) for rank in ranks] == [6, 6]


@pytest.mark.parametrize("form", ["False", "True"])
def test_a_process_without_rows_of_its_own_takes_part(
    ranks: list[dict[str, Any]], form: str
) -> None:
    assert [rank["empty" + form][0] for rank in ranks] == [[0.0, 1.0], []]


@pytest.mark.parametrize("form", ["False", "True"])
def test_half_a_group_is_refused_by_every_process(ranks: list[dict[str, Any]], form: str) -> None:
    assert all("the batch holds 1 of one" in rank["short" + form][0] for rank in ranks)
