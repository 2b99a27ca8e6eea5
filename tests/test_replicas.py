"""Several servers of one model: one prompt goes to one of them, and a dead one is gone around."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask, said
from j1sdk_cluster import Ray, Replicas
from j1sdk_cluster.spreading import LEEWAY, Spreading

from j1sdk import (
    Completion,
    ConfigError,
    Engine,
    EngineError,
    JudgeRewardModel,
    JudgmentTask,
    OpenAI,
    PairwiseVerdict,
    Sampling,
)
from j1sdk.background import run
from j1sdk.run import build_run, dump_run
from j1sdk.testing import ComponentContract

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]
VERDICT = "<think>so</think><answer>[[A]]</answer>"


class TestReplicas(ComponentContract):
    component = Replicas(
        engine=OpenAI(model="judge", base_url="http://localhost:1/v1"),
        also=("http://localhost:2/v1",),
    )
    abstract = Engine


async def answers(number: int, body: dict[str, Any], request: Any) -> Any:
    await asyncio.sleep(0.01)
    return said(VERDICT)


async def breaks(number: int, body: dict[str, Any], request: Any) -> Any:
    from aiohttp import web

    return web.json_response({"error": "overloaded"}, status=503)


async def refuses(number: int, body: dict[str, Any], request: Any) -> Any:
    from aiohttp import web

    return web.json_response({"error": "the prompt is too long"}, status=400)


def replicas(*servers: ChatServer, **options: Any) -> Replicas:
    engine = OpenAI(model="judge", base_url=servers[0].url)
    return Replicas(engine=engine, also=tuple(one.url for one in servers[1:]), **options)


async def together(engine: Engine, count: int) -> list[Completion | BaseException]:
    asked = (engine.complete(ask(f"question {n}"), Sampling()) for n in range(count))
    return list(await asyncio.gather(*asked, return_exceptions=True))


def test_work_is_spread_over_all_of_them(chat_server: Serve) -> None:
    servers = [chat_server(answers) for _ in range(3)]
    engine = replicas(*servers)
    done = run(together(engine, 90))
    assert all(isinstance(one, Completion) for one in done)
    counts = [len(one.asked) for one in servers]
    assert sum(counts) == 90 and min(counts) >= 15
    assert sorted(engine.answered.values()) == sorted(counts)


def test_judgments_of_one_prompt_go_to_one_server(chat_server: Serve) -> None:
    servers = [chat_server(answers) for _ in range(3)]
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=replicas(*servers))
    tasks = [JudgmentTask.from_pair(f"Question {n}?", "yes", "no") for n in range(12)]
    for task in tasks:  # one after another: nothing is busy
        judge.judge([task])
    places = Counter(
        (place, number)
        for place, server in enumerate(servers)
        for body in server.asked
        for number in range(12)
        if f"Question {number}?" in body["messages"][0]["content"]
    )
    assert set(places.values()) == {2} and len(places) == 12  # both orders, together
    assert len({place for place, _ in places}) == 3


def test_a_server_that_dies_is_gone_around(chat_server: Serve) -> None:
    broken, sound = chat_server(breaks), chat_server(answers)
    engine = replicas(broken, sound)
    done = run(together(engine, 40))
    assert all(isinstance(one, Completion) for one in done)
    assert sorted(engine.answered.values()) == [0, 40]
    asked = len(broken.asked)
    assert all(isinstance(one, Completion) for one in run(together(engine, 40)))
    assert len(broken.asked) == asked, "it is left alone for a while"


def test_a_server_that_is_not_there_is_gone_around(chat_server: Serve) -> None:
    sound = chat_server(answers)
    engine = Replicas(
        engine=OpenAI(model="judge", base_url="http://127.0.0.1:9/v1"), also=(sound.url,)
    )
    assert all(isinstance(one, Completion) for one in run(together(engine, 10)))


def test_where_all_fail_the_error_says_so(chat_server: Serve) -> None:
    engine = replicas(chat_server(breaks), chat_server(breaks), retries=0)
    (error,) = run(together(engine, 1))
    assert isinstance(error, EngineError) and "none of 2 servers answered" in str(error)
    assert "503" in str(error)


def test_what_one_refuses_is_not_asked_of_the_others(chat_server: Serve) -> None:
    servers = [chat_server(refuses), chat_server(refuses)]
    (error,) = run(together(replicas(*servers), 1))
    assert isinstance(error, EngineError) and "too long" in str(error)
    assert sum(len(one.asked) for one in servers) == 1


def test_it_recovers_once_it_has_rested(chat_server: Serve) -> None:
    healthy = False

    async def moody(number: int, body: dict[str, Any], request: Any) -> Any:
        return await (answers if healthy else breaks)(number, body, request)

    moodily, sound = chat_server(moody), chat_server(answers)
    engine = replicas(moodily, sound, retries=0, rest=0.0)
    run(together(engine, 20))
    healthy, before = True, len(moodily.asked)
    run(together(engine, 20))
    assert len(moodily.asked) > before


def test_no_copy_has_more_than_its_share() -> None:
    spreading = Spreading(["a", "b", "c", "d"])
    places = []
    for _ in range(100):  # one prompt, and nothing is ever done
        places.append(spreading.choose(ask("the same"), range(4)))
        spreading.under_way[places[-1]] += 1
    assert max(Counter(places).values()) <= LEEWAY * 100 / 4 + 1


def test_a_copy_that_leaves_moves_only_its_own_prompts() -> None:
    spreading = Spreading(["a", "b", "c"])
    prompts = [ask(f"question {n}") for n in range(200)]
    before = [spreading.choose(prompt, range(3)) for prompt in prompts]
    after = [spreading.choose(prompt, (0, 1)) for prompt in prompts]
    assert all(now == then for now, then in zip(after, before, strict=True) if then != 2)
    assert min(Counter(before).values()) > 40


def test_a_folder_of_somebody_else_says_where_it_would_send_things(tmp_path: Path) -> None:
    engine = Replicas(
        engine=OpenAI(model="judge", base_url="http://localhost:1/v1"),
        also=("http://elsewhere.example/v1",),
    )
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    (tmp_path / "j1.toml").write_text(dump_run(build_run({"judge": judge.model_dump()})))
    with pytest.raises(ConfigError, match=r"elsewhere\.example"):
        JudgeRewardModel.load(tmp_path)


def test_a_cluster_elsewhere_is_said_too(tmp_path: Path) -> None:
    engine = OpenAI(model="judge", base_url="http://localhost:1/v1")
    assert Ray(engine=engine).needs_trust(tmp_path) == []
    assert "Ray cluster ray://x" in Ray(engine=engine, address="ray://x").needs_trust(tmp_path)[0]


def test_a_saved_judge_keeps_its_servers_and_leaves_a_cluster(tmp_path: Path) -> None:
    engine = OpenAI(model="judge", base_url="http://localhost:1/v1")
    spread = Replicas(engine=engine, also=("http://localhost:2/v1",))
    for own, kept in ((spread, spread), (Ray(engine=engine), engine)):
        JudgeRewardModel(format=PairwiseVerdict(), engine=own).save(tmp_path)
        assert JudgeRewardModel.load(tmp_path).engine == kept


def test_a_url_that_is_none_is_refused_at_the_start(chat_server: Serve) -> None:
    engine = Replicas(
        engine=OpenAI(model="judge", base_url="http://localhost:1/v1"), also=("gpu1:8000",)
    )
    with pytest.raises(ConfigError, match="gpu1:8000"):
        JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
