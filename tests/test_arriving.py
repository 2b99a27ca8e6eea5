"""Responses that come one by one are compared as they come, and a group costs no more for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from j1sdk_openrlhf.ranked import RankedExecutor
from reward_client import ask_async, asked_of, by_length, metric, sample
from rollout_engine import Engine, params

from j1sdk import JudgeRewardModel, JudgmentTask, Pointwise, Scripted
from j1sdk.adapters.texts import Label
from j1sdk.rankings import Adaptive, Knockout, Pivot, Ranking, RoundRobin
from j1sdk.server import Serve, served

PROMPT = JudgmentTask(prompt="Why?", responses=["."]).prompt
WORDS = ["ccc", "a", "dddd", "bb"]
BEFORE_THE_LAST = [
    (RoundRobin(), 6, 12),
    (Pivot(), 4, 6),
    (Pivot(pivot="last"), 0, 6),
    (Knockout(), 2, 6),
    (Adaptive(rounds=2), 2, 6),
]
"""Of four responses: judgments begun once three are there, and all."""


def ranked_by(ranking: Ranking, latency: float = 0.0) -> JudgeRewardModel:
    judge = by_length()
    return judge.replace(ranking=ranking, engine=judge.engine.replace(latency=latency))


@pytest.mark.parametrize("ranking, early, every", BEFORE_THE_LAST)
def test_what_is_certain_is_judged_before_the_last_is_there(
    ranking: Ranking, early: int, every: int
) -> None:
    judge, alone = ranked_by(ranking), ranked_by(ranking)

    async def scene() -> Any:
        arriving = judge.arriving(PROMPT, len(WORDS))
        for word in WORDS[:3]:
            await arriving.arrive(word)
        await asyncio.sleep(0.05)
        begun = asked_of(judge)
        await arriving.arrive(WORDS[3])
        return begun, await judge.rank_async(PROMPT, WORDS, arriving)

    begun, ranked = asyncio.run(scene())
    assert (begun, asked_of(judge)) == (early, every)
    expected = alone.rank(PROMPT, WORDS)
    assert ranked.scores == expected.scores
    assert [one.order for one in ranked.judgments] == [one.order for one in expected.judgments]
    assert {one.task_id for one in ranked.judgments} == {expected.judgments[0].task_id}


def test_one_that_does_not_come_is_done_without() -> None:
    judge = ranked_by(RoundRobin())

    async def scene() -> Any:
        arriving = judge.arriving(PROMPT, 4)
        for word in WORDS[:3]:
            await arriving.arrive(word)
        return await judge.rank_async(PROMPT, WORDS[:3], arriving)

    assert asyncio.run(scene()).scores == by_length().rank("Why?", WORDS[:3]).scores
    assert asked_of(judge) == 6


def test_equal_responses_are_compared_once() -> None:
    judge = ranked_by(RoundRobin())

    async def scene() -> Any:
        arriving = judge.arriving(PROMPT, 4)
        for word in ("a", "bb", "a", "bb"):
            await arriving.arrive(word)
        return await judge.rank_async(PROMPT, ["a", "bb", "a", "bb"], arriving)

    assert asyncio.run(scene()).scores == (0.0, 1.0, 0.0, 1.0) and asked_of(judge) == 2


def test_a_pointwise_judge_begins_nothing() -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())

    async def scene() -> None:
        arriving = judge.arriving(PROMPT, 2)
        await arriving.arrive("a")
        await arriving.arrive("b")
        await asyncio.sleep(0)

    asyncio.run(scene())
    assert asked_of(judge) == 0


def test_what_nobody_waits_for_any_more_is_stopped() -> None:
    judge = ranked_by(RoundRobin(), latency=30)

    async def scene() -> None:
        with judge.arriving(PROMPT, 3) as arriving:
            for word in WORDS[:2]:
                await arriving.arrive(word)
            await asyncio.sleep(0)
            assert asked_of(judge) == 2
        await arriving.arrive(WORDS[2])
        assert asked_of(judge) == 2
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    begun = time.monotonic()
    asyncio.run(scene())
    assert time.monotonic() - begun < 10


def test_a_mistake_in_an_early_judgment_is_raised_where_it_is_asked_for() -> None:
    def broken(*_: Any) -> str:
        raise KeyError("a plugin's mistake")

    judge = ranked_by(RoundRobin()).replace(engine=Scripted(script=broken))

    async def scene() -> None:
        arriving = judge.arriving(PROMPT, 2)
        for word in WORDS[:2]:
            await arriving.arrive(word)
        await asyncio.sleep(0.01)
        await judge.rank_async(PROMPT, WORDS[:2], arriving)

    with pytest.raises(KeyError, match="a plugin's mistake"):
        asyncio.run(scene())


def test_a_cohort_judges_while_its_rollouts_arrive() -> None:
    """The last rollout's reward is there one judgment after it, of an engine with two places."""
    judge = ranked_by(RoundRobin())
    latency, seen = 0.3, []

    async def scene(url: str) -> list[Any]:
        asked = []
        for word in WORDS:
            asked.append(asyncio.create_task(ask_async(f"{url}/get_reward", sample(word))))
            await asyncio.sleep(latency + 0.1)
            seen.append(asked_of(judge))
        return list(await asyncio.gather(*asked))

    judge = judge.replace(engine=judge.engine.replace(latency=latency))
    with served(judge, Serve(port=0, cohort=4, warm_up=False)) as server:
        replies = asyncio.run(scene(server.url))
    assert seen == [0, 2, 6, 12], "each was compared with those before it when it came"
    scores = [reply.json["rewards"][0] for reply in replies]
    assert scores == list(by_length().rank("Why?", WORDS).scores)


@pytest.mark.parametrize("gone", ["a", "ccc"])
def test_who_hangs_up_leaves_the_others_their_ranking(gone: str) -> None:
    judge = ranked_by(RoundRobin())

    async def scene(url: str) -> list[Any]:
        left = asyncio.create_task(ask_async(f"{url}/get_reward", sample(gone)))
        await asyncio.sleep(0.2)
        left.cancel()
        while await asyncio.to_thread(metric, url, "j1_pending"):
            await asyncio.sleep(0.02)
        asked = [ask_async(f"{url}/get_reward", sample(word)) for word in ("dddd", "bb")]
        return list(await asyncio.gather(*asked))

    with served(judge, Serve(port=0, cohort=2, warm_up=False)) as server:
        replies = asyncio.run(scene(server.url))
    assert [reply.json["rewards"][0] for reply in replies] == [1.0, 0.0]


def test_an_executor_judges_while_other_completions_are_written(tiny_model: Any) -> None:
    from transformers import AutoTokenizer

    judge = ranked_by(RoundRobin())
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    engine = Engine(tokenizer, lambda text, call: WORDS[call % 4])
    slow, seen = asyncio.Event(), []

    class LastIsSlow:
        async def generate(self, *given: Any, **options: Any) -> Any:
            output = await engine.generate(*given, **options)
            if "dddd" in tokenizer.decode(output.outputs[0].token_ids):
                await slow.wait()
            return output

    async def scene() -> list[Any]:
        shared, label = params(), Label(prompt="Why?").write()
        executor = RankedExecutor(judge, Serve(unscored="neutral"))
        given = ("Why?", label, shared, 400, tokenizer, LastIsSlow())
        rolled = [asyncio.create_task(executor.execute(*given)) for _ in WORDS]
        await asyncio.sleep(0.5)
        seen.append(asked_of(judge))
        slow.set()
        return list(await asyncio.gather(*rolled))

    rolled = asyncio.run(scene())
    assert seen == [6] and asked_of(judge) == 12
    assert [one["reward"] for one in rolled] == list(by_length().rank("Why?", WORDS).scores)
