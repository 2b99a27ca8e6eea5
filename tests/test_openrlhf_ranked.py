"""A policy's completions ranked inside one OpenRLHF group: once, whole, and never made up.

The engine here stands in for OpenRLHF's. The real one runs in tests/stack.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_openrlhf.ranked import RankedExecutor, agent_executor
from reward_client import asked_of, by_length, pointwise, scored
from rollout_engine import Answer, Engine, params

from j1sdk import ConfigError, EngineError, JudgeRewardModel, Pointwise, Scripted, UnscoredError
from j1sdk.adapters.texts import Label
from j1sdk.run import Run, dump_run
from j1sdk.server import Serve

PROMPT = "<|im_start|>user\nSay something<|im_end|>\n<|im_start|>assistant\n"
LABEL = Label(prompt="Say something").write()
WORDS = ("a", "bb", "ccc", "dddd", "eeeee", "ffffff")


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def executor(
    judge: JudgeRewardModel, mate_seconds: float = 1800.0, **options: Any
) -> RankedExecutor:
    return RankedExecutor(judge, Serve(**{"unscored": "neutral", **options}), mate_seconds)


async def group(
    ranked: RankedExecutor, engine: Engine, tokenizer: Any, n: int, label: Any = LABEL, **o: Any
) -> list[Any]:
    """A group of n, as OpenRLHF asks for one; errors are returned."""
    shared = params(**o)
    waiting = [
        ranked.execute(PROMPT, label, shared, 400, tokenizer, engine, images=None)
        for _ in range(n)
    ]  # fmt: skip
    return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 20)


def roll(
    ranked: RankedExecutor, engine: Engine, tokenizer: Any, n: int, **o: Any
) -> list[dict[str, Any]]:
    rolled = asyncio.run(group(ranked, engine, tokenizer, n, **o))
    for one in rolled:
        if isinstance(one, BaseException):
            raise one
    return rolled


def writer(tokenizer: Any, words: Sequence[str] = WORDS, **o: Any) -> Engine:
    return Engine(tokenizer, lambda text, call: words[call % len(words)], **o)


def rewards(rolled: Sequence[dict[str, Any]]) -> list[float]:
    return [one["reward"] for one in rolled]


def unscored(rolled: Sequence[dict[str, Any]]) -> list[float]:
    return [one["extra_logs"]["j1/unscored"] for one in rolled]


def test_siblings_are_ranked_against_each_other_once(tokenizer: Any) -> None:
    judge = by_length()
    rolled = roll(executor(judge), writer(tokenizer), tokenizer, 4)
    assert rewards(rolled) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert asked_of(judge) == 4 * 3, "both orders of each pair, once"
    assert unscored(rolled) == [0.0] * 4


def test_a_pointwise_judge_scores_each(tokenizer: Any) -> None:
    judge = pointwise(lambda question: Pointwise().write((8.0 if "bb" in question else 3.0,)))
    rolled = roll(executor(judge), writer(tokenizer), tokenizer, 3)
    assert rewards(rolled) == pytest.approx([0.3, 0.8, 0.3])


def test_equal_completions_share_their_score(tokenizer: Any) -> None:
    judge = by_length()
    rolled = roll(executor(judge), writer(tokenizer, ("aa", "b", "aa")), tokenizer, 3)
    assert rewards(rolled) == [1.0, 0.0, 1.0] and asked_of(judge) == 2
    alike = roll(executor(judge), writer(tokenizer, ("aa",)), tokenizer, 3)
    assert rewards(alike) == [0.5] * 3 and unscored(alike) == [0.0] * 3 and asked_of(judge) == 2


def test_the_judge_is_shown_the_prompt_as_it_was_and_no_end_of_turn(tokenizer: Any) -> None:
    judge = by_length()
    roll(executor(judge), writer(tokenizer), tokenizer, 2)
    assert isinstance(judge.engine, Scripted)
    (first, _) = judge.engine.asked
    assert "Say something" in first[-1].content
    assert not any(mark in first[-1].content for mark in ("im_start", "im_end", "assistant\n"))


def test_the_rollout_is_what_openrlhf_would_have_made(tokenizer: Any) -> None:
    rolled = roll(executor(by_length()), writer(tokenizer), tokenizer, 2, logprobs=1)
    prompt = tokenizer(PROMPT)["input_ids"]
    for one, word in zip(rolled, WORDS, strict=False):
        ((start, end),) = one["action_ranges"]
        assert one["observation_tokens"][:start] == prompt and end == len(one["observation_tokens"])
        assert tokenizer.decode(one["observation_tokens"][start:]) == f"{word}<|im_end|>"
        assert one["rollout_log_probs"] == [0.0] * start + [-0.5] * (end - start)
        assert (one["prompt"], one["label"], one["images"]) == (PROMPT, LABEL, None)
        assert one["scores"] == one["reward"] and not one["truncated"]
    (one, _) = roll(executor(by_length()), writer(tokenizer), tokenizer, 2)
    assert one["rollout_log_probs"] is None


def test_what_is_cut_short_says_so_and_is_judged(tokenizer: Any) -> None:
    rolled = roll(executor(by_length()), writer(tokenizer), tokenizer, 5, max_tokens=3)
    assert [one["truncated"] for one in rolled] == [False, False, True, True, True]
    assert rewards(rolled)[2:] == [rewards(rolled)[2]] * 3, "cut to equal texts"


def test_shared_sampling_parameters_are_left_alone(tokenizer: Any) -> None:
    engine, shared = writer(tokenizer), params(temperature=0.7)
    ranked = executor(by_length())

    async def two() -> None:
        waiting = [
            ranked.execute(PROMPT, LABEL, shared, 400, tokenizer, engine) for _ in range(2)
        ]  # fmt: skip
        await asyncio.gather(*waiting)

    asyncio.run(two())
    assert shared == params(temperature=0.7)
    room = 400 - len(tokenizer(PROMPT)["input_ids"])
    assert [used.max_tokens for _, used in engine.asked] == [room, room]


def hoarse(text: str) -> str:
    return "hm"


@pytest.mark.parametrize(("policy", "number"), [("neutral", 0.5), ("floor", 0.0)])
def test_failed_judgments_are_settled_and_counted(
    tokenizer: Any, policy: str, number: float
) -> None:
    ranked = executor(pointwise(hoarse), unscored=policy)
    rolled = roll(ranked, writer(tokenizer), tokenizer, 3)
    assert rewards(rolled) == [number] * 3 and unscored(rolled) == [1.0] * 3


def test_only_those_without_a_score_are_unscored(tokenizer: Any) -> None:
    judge = pointwise(lambda question: "hm" if "bb" in question else Pointwise().write((9.0,)))
    rolled = roll(executor(judge), writer(tokenizer), tokenizer, 3)
    assert rewards(rolled) == [0.9, 0.5, 0.9] and unscored(rolled) == [0.0, 1.0, 0.0]


def test_by_default_no_number_is_made_up(tokenizer: Any) -> None:
    ranked = RankedExecutor(pointwise(hoarse), Serve())
    rolled = asyncio.run(group(ranked, writer(tokenizer), tokenizer, 3))
    assert [type(one) for one in rolled] == [UnscoredError] * 3
    assert not len(ranked._groups)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(
    "judge",
    [by_length(), pointwise(scored(7.0)), pointwise(hoarse),
     pointwise(lambda question: EngineError("out of reach")),
     pointwise(scored(7.0), latency=30)],
    ids=["pairwise", "pointwise", "unreadable", "out of reach", "slow"],
)  # fmt: skip
def test_whatever_the_judge_does_the_result_is_whole(
    tokenizer: Any, judge: JudgeRewardModel, n: int
) -> None:
    ranked = executor(judge, deadline=0.5)
    rolled = roll(ranked, writer(tokenizer), tokenizer, n)
    assert {tuple(one["extra_logs"]) for one in rolled} == {
        ("j1/scored", "j1/unscored", "j1/tokens")
    }
    for one in rolled:
        numbers = [one["reward"], one["scores"], *one["extra_logs"].values()]
        assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    assert not len(ranked._groups)


def test_alone_there_is_nothing_to_compare_with(tokenizer: Any) -> None:
    judge = by_length()
    rolled = roll(executor(judge), writer(tokenizer), tokenizer, 1)
    assert rewards(rolled) == [0.5] and unscored(rolled) == [1.0] and asked_of(judge) == 0


def test_a_judge_past_its_deadline_is_no_score(tokenizer: Any) -> None:
    slow = pointwise(scored(7.0), latency=30)
    rolled = roll(executor(slow, deadline=0.2), writer(tokenizer), tokenizer, 3)
    assert unscored(rolled) == [1.0] * 3


class Stuck(Engine):
    """The second completion takes its time."""

    async def generate(self, ids: list[int], params: Any) -> Any:
        late = len(self.asked) == 1
        written = await super().generate(ids, params)
        await asyncio.sleep(0.6 * late)
        return written


def test_a_late_sibling_is_ranked_without_and_is_itself_unscored(tokenizer: Any) -> None:
    judge = by_length()
    engine = Stuck(tokenizer, lambda text, call: WORDS[call])
    rolled = roll(executor(judge, mate_seconds=0.2), engine, tokenizer, 4)
    assert unscored(rolled) == [0.0, 1.0, 0.0, 0.0]
    assert rewards(rolled) == [0.0, 0.5, 0.5, 1.0] and asked_of(judge) == 3 * 2


def test_an_engine_that_fails_ends_the_group_and_leaves_nothing_behind(tokenizer: Any) -> None:
    ranked = executor(by_length())
    answer: Answer = lambda text, call: ValueError("gone") if call == 1 else WORDS[call]  # noqa: E731
    rolled = asyncio.run(group(ranked, Engine(tokenizer, answer), tokenizer, 4))
    assert isinstance(rolled[1], EngineError) and "engine failed: gone" in str(rolled[1])
    assert [rolled[slot]["reward"] for slot in (0, 2, 3)] == [0.0, 0.5, 1.0]
    assert not len(ranked._groups)


def test_a_cancelled_rollout_takes_nothing_from_its_siblings(tokenizer: Any) -> None:
    ranked, engine = executor(by_length()), writer(tokenizer, delay=0.05)

    async def three_of_four() -> list[Any]:
        shared = params()
        tasks = [
            asyncio.ensure_future(ranked.execute(PROMPT, LABEL, shared, 400, tokenizer, engine))
            for _ in range(4)
        ]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

    done = asyncio.run(three_of_four())
    assert isinstance(done[1], asyncio.CancelledError)
    assert sorted(done[slot]["reward"] for slot in (0, 2, 3)) == [0.0, 0.5, 1.0]
    assert not len(ranked._groups)


def test_many_groups_at_once_stay_apart(tokenizer: Any) -> None:
    """Also where two rows have the same prompt."""
    judge = by_length()
    ranked, engine = executor(judge), writer(tokenizer, delay=0.02)

    async def everything() -> list[list[Any]]:
        return list(await asyncio.gather(*(group(ranked, engine, tokenizer, 3) for _ in range(20))))

    groups = asyncio.run(everything())
    assert all(sorted(rewards(rolled)) in ([0.0, 0.5, 1.0], [0.5] * 3) for rolled in groups)
    assert not len(ranked._groups)


@pytest.mark.parametrize("label", ["", "4", None, {"prompt": "4"}])
def test_a_row_without_its_prompt_is_refused(tokenizer: Any, label: Any) -> None:
    with pytest.raises(ConfigError, match="has no prompt"):
        roll(executor(by_length()), writer(tokenizer), tokenizer, 2, label=label)


def test_openrlhfs_class_reads_the_run(tokenizer: Any, tmp_path: Path) -> None:
    answers = tuple(Pointwise().write((score,)) for score in (9.0, 4.0))
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted(answers=answers))
    path = tmp_path / "run.toml"
    served = Serve(unscored="floor")
    path.write_text(dump_run(Run(judge=judge, serve=served)), encoding="utf-8")
    made = agent_executor(path, object)()
    assert rewards(roll(made, writer(tokenizer), tokenizer, 3)) == [0.9, 0.4, 0.0]


def test_the_groups_mean_stands_for_what_came_to_no_answer(tokenizer: Any) -> None:
    judge, words = by_length(), ("a", "<think>I deserve a 10", "bbb", "cc")
    rolled = roll(executor(judge, unscored="group"), writer(tokenizer, words), tokenizer, 4)
    assert rewards(rolled) == [0.0, 0.5, 1.0, 0.5]
    assert unscored(rolled) == [0.0, 1.0, 0.0, 0.0]
    assert isinstance(judge.engine, Scripted)
    assert not any("deserve" in one[-1].content for one in judge.engine.asked)


def test_thinking_is_left_out_and_shown_on_request(tokenizer: Any) -> None:
    words = ("<think>I deserve a 10</think>a", "<think>So do I</think>bb")
    for shown in (False, True):
        judge = by_length()
        roll(executor(judge, show_thinking=shown), writer(tokenizer, words), tokenizer, 2)
        assert isinstance(judge.engine, Scripted)
        assert all(("deserve" in one[-1].content) is shown for one in judge.engine.asked)
