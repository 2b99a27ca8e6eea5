"""Requests that ask the same share a judgment; who hangs up takes it from nobody else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from reward_client import ask_all, ask_async, asked_of, metric, pointwise, sample, scored, until

from j1sdk import Completion, Engine, JudgeRewardModel, Pointwise, Scripted
from j1sdk.server import Serve, served
from j1sdk.sharing import Sharing
from j1sdk.types import Conversation, Sampling

LATENCY = 0.3
COLD = Serve(port=0, warm_up=False)


class Watched(Engine):
    """An engine that knows how many of its completions were cancelled."""

    name = "watched"
    started: list[str] = []
    cancelled: list[str] = []

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self.started.append(conversation[-1].content)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.append(conversation[-1].content)
            raise
        raise AssertionError("nobody waits so long")


def test_identical_requests_in_flight_are_judged_once() -> None:
    judge = pointwise(scored(7.5), LATENCY)
    with served(judge, COLD) as server:
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", [sample("Because.")] * 20))
        assert metric(server.url, "j1_shared_total") == 19
        assert metric(server.url, "j1_scored_total") == 20
        assert metric(server.url, "j1_judgments_total", status="ok") == 1
    assert [reply.json["rewards"] for reply in replies] == [[0.75]] * 20
    assert asked_of(judge) == 1


def test_they_share_across_routes_and_within_a_batch() -> None:
    judge = pointwise(scored(7.5), LATENCY)
    batch = {"query": ["Why?Because."] * 3, "prompts": ["Why?"] * 3, "labels": [""] * 3}
    other = {"prompt": "Why?", "response": "Because.", "label": None}

    async def both(url: str) -> list[Any]:
        asked = (ask_async(f"{url}/get_reward", batch), ask_async(f"{url}/slime", other))
        return [reply.json for reply in await asyncio.gather(*asked)]

    with served(judge, COLD) as server:
        first, second = asyncio.run(both(server.url))
    assert first["rewards"] == [0.75] * 3 and second == 0.75
    assert asked_of(judge) == 1


@pytest.mark.parametrize(
    "other", [sample("Because!"), sample("Because.", "Why now?"), sample("Because.", label="x")]
)
def test_what_differs_is_judged_by_itself(other: dict[str, Any]) -> None:
    judge = pointwise(scored(7.5), LATENCY)
    with served(judge, COLD) as server:
        asyncio.run(ask_all(f"{server.url}/get_reward", [sample("Because."), other]))
    assert asked_of(judge) == 2


def test_an_answer_is_not_kept_for_later() -> None:
    judge = pointwise(scored(7.5))
    with served(judge, COLD) as server:
        for _ in range(3):
            asyncio.run(ask_all(f"{server.url}/get_reward", [sample("Because.")]))
    assert asked_of(judge) == 3


def test_the_others_keep_the_judgment_when_the_first_hangs_up() -> None:
    judge = pointwise(scored(7.5), LATENCY)

    async def scene(url: str) -> list[Any]:
        first = asyncio.create_task(ask_async(url, sample("Because.")))
        await asyncio.sleep(LATENCY / 4)
        others = asyncio.create_task(ask_all(url, [sample("Because.")] * 3))
        await asyncio.sleep(LATENCY / 4)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        return [reply.json["rewards"] for reply in await others]

    with served(judge, COLD) as server:
        assert asyncio.run(scene(f"{server.url}/get_reward")) == [[0.75]] * 3
        until(lambda: metric(server.url, "j1_requests_total", code="499") == 1)
    assert asked_of(judge) == 1


def test_a_judgment_nobody_waits_for_is_cancelled() -> None:
    engine = Watched()
    judge = JudgeRewardModel(format=Pointwise(), engine=engine)

    async def hang_up(url: str) -> None:
        asked = [asyncio.create_task(ask_async(url, sample("Because."))) for _ in range(3)]
        while not engine.started:
            await asyncio.sleep(0.01)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    with served(judge, COLD) as server:
        asyncio.run(hang_up(f"{server.url}/get_reward"))
        until(lambda: len(engine.cancelled) == 1)
        assert metric(server.url, "j1_pending") == 0
        assert metric(server.url, "j1_scored_total") == 0
    assert len(engine.started) == 1


def test_a_judgment_past_its_deadline_is_cancelled() -> None:
    engine = Watched()
    judge = JudgeRewardModel(format=Pointwise(), engine=engine)
    with served(judge, Serve(port=0, warm_up=False, deadline=0.1)) as server:
        (reply,) = asyncio.run(ask_all(f"{server.url}/get_reward", [sample("Because.")]))
        assert reply.status == 503
        until(lambda: len(engine.cancelled) == 1)


def test_a_retry_after_the_deadline_asks_anew() -> None:
    answers = iter([5.0, 0.0])
    engine = Scripted(script=lambda asked, sampling: Pointwise().write((2.5,)), latency=0.0)
    slow = engine.model_copy(update={"latency": 60})

    class Once(Engine):
        name = "once"

        async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
            return await (slow if next(answers) else engine).complete(conversation, sampling)

    judge = JudgeRewardModel(format=Pointwise(), engine=Once())
    with served(judge, Serve(port=0, warm_up=False, deadline=0.2)) as server:
        url = f"{server.url}/get_reward"
        first, second = (asyncio.run(ask_all(url, [sample("x")]))[0] for _ in range(2))
    assert first.status == 503 and second.json["rewards"] == [0.25]


class TestSharing:
    """The same without HTTP: what may go wrong is easier to arrange."""

    def test_an_error_reaches_all_who_wait(self) -> None:
        async def fail() -> int:
            await asyncio.sleep(0.01)
            raise ValueError("no")

        async def scene() -> list[Any]:
            sharing = Sharing[str, int](lambda: None)
            return await asyncio.gather(
                *(sharing.get("x", fail) for _ in range(3)), return_exceptions=True
            )

        assert [str(one) for one in asyncio.run(scene())] == ["no"] * 3

    def test_what_was_cancelled_is_begun_again(self) -> None:
        began = 0

        async def work() -> int:
            nonlocal began
            began += 1
            await asyncio.sleep(0.05)
            return began

        async def scene() -> int:
            sharing = Sharing[str, int](lambda: None)
            lost = asyncio.create_task(sharing.get("x", work))
            await asyncio.sleep(0.01)
            lost.cancel()
            await asyncio.wait([lost])
            return await sharing.get("x", work)

        assert asyncio.run(scene()) == 2

    def test_nothing_is_left_behind(self) -> None:
        async def work() -> int:
            return 1

        async def scene() -> int:
            sharing = Sharing[int, int](lambda: None)
            await asyncio.gather(*(sharing.get(one % 5, work) for one in range(50)))
            return len(sharing._flights)

        assert asyncio.run(scene()) == 0
