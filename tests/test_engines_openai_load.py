"""Many requests at once, from several loops, given up or asked of a server that is killed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask, said

from j1sdk import (
    Completion,
    JudgeRewardModel,
    JudgmentStatus,
    JudgmentTask,
    OpenAI,
    PairwiseVerdict,
    Sampling,
)
from j1sdk.background import run

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]
BACKEND = Path(__file__).parents[1] / "benchmarks" / "peers_backend.py"


def engine_for(served: ChatServer, **options: Any) -> OpenAI:
    return OpenAI(**{"model": "judge", "base_url": served.url, **options})


async def together(engine: OpenAI, texts: Sequence[str]) -> list[Completion | BaseException]:
    asked = (engine.complete(ask(text), Sampling()) for text in texts)
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def hang(number: int, body: dict[str, Any], request: Any) -> Any:
    await asyncio.sleep(60)


def test_a_thousand_requests_are_asked_so_many_at_a_time(chat_server: Serve) -> None:
    async def slow(number: int, body: dict[str, Any], request: Any) -> Any:
        await asyncio.sleep(0.005)
        return said(body["messages"][0]["content"])

    server = chat_server(slow)
    texts = [f"number {number}" for number in range(1000)]
    written = run(together(engine_for(server, concurrency=16), texts))
    assert [one.text for one in written if isinstance(one, Completion)] == texts
    assert server.most == 16


def test_loops_share_the_limit_and_the_connections(chat_server: Serve) -> None:
    async def slow(number: int, body: dict[str, Any], request: Any) -> Any:
        await asyncio.sleep(0.01)
        return said(str(request.transport.get_extra_info("peername")[1]))

    server = chat_server(slow)
    engine = engine_for(server, concurrency=8)
    with ThreadPoolExecutor(2) as pool:
        theirs = [pool.submit(lambda: asyncio.run(together(engine, ["hi"] * 50))) for _ in "ab"]
        ours = run(together(engine, ["hi"] * 50))
    written = [*ours, *(one for future in theirs for one in future.result())]
    ports = Counter(one.text for one in written if isinstance(one, Completion))
    assert ports.total() == 150 and len(ports) <= 8
    assert server.most == 8


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.01)


@pytest.mark.parametrize("start", [run, asyncio.run], ids=["our loop", "their loop"])
def test_cancelling_ends_the_request_and_frees_its_place(
    chat_server: Serve, start: Callable[[Any], Any]
) -> None:
    async def by_name(number: int, body: dict[str, Any], request: Any) -> Any:
        text = body["messages"][0]["content"]
        return await hang(number, body, request) if text == "hang" else said(text)

    server = chat_server(by_name)
    engine = engine_for(server, concurrency=2)

    async def begin_and_cancel() -> None:
        asked = [asyncio.create_task(together(engine, ["hang"] * 2)) for _ in range(3)]
        while server.under_way < 2:
            await asyncio.sleep(0.01)
        for task in reversed(asked):  # a place freed on another thread may be taken before the next
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    start(begin_and_cancel())
    wait_for(lambda: server.gone == 2)
    (written,) = run(together(engine, ["free again"]))
    assert isinstance(written, Completion) and written.text == "free again"
    assert len(server.asked) == 3, "those that waited never came to be asked"


def test_closing_fails_what_is_unanswered(chat_server: Serve) -> None:
    server = chat_server(hang)
    engine = engine_for(server, concurrency=3)

    async def begin_and_close() -> list[Completion | BaseException]:
        asked = asyncio.create_task(together(engine, ["hi"] * 6))
        while server.under_way < 3:
            await asyncio.sleep(0.01)
        await engine.close()
        return await asked

    errors = run(asyncio.wait_for(begin_and_close(), 5.0))
    assert all("the engine was closed" in str(error) for error in errors), errors


def backend_module() -> Any:
    spec = importlib.util.spec_from_file_location("peers_backend", BACKEND)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["peers_backend"] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def backend(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The scripted server of the benchmark, as a process to be killed."""
    command = [
        sys.executable,
        str(BACKEND),
        "--port",
        str(port),
        "--malformed",
        "0",
        "--latency",
        "0.2",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_a_server_that_is_killed_and_comes_back_loses_no_judgment() -> None:
    port, tasks = free_port(), [
        JudgmentTask.from_pair(f"{number}+1", chosen=str(number + 1), rejected="0")
        for number in range(200)
    ]  # fmt: skip
    engine = OpenAI(model="judge", base_url=f"http://127.0.0.1:{port}/v1", concurrency=32)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    with ThreadPoolExecutor(1) as pool:
        with backend(port) as doomed:
            judging = pool.submit(judge.judge, tasks)
            time.sleep(0.5)
            doomed.kill()
            doomed.wait()
            assert not judging.done(), "it was killed too late to prove anything"
        time.sleep(0.5)
        with backend(port):
            judgments = [one for result in judging.result(60) for one in result.judgments]
    assert Counter(judgment.status for judgment in judgments) == {JudgmentStatus.OK: 400}
    answer_to = backend_module().answer_to
    for judgment in judgments:
        verdict = answer_to(judgment.transcript[0].content, 0.0, 0).verdict
        assert judgment.scores == ((1.0, 0.0) if verdict == "A" else (0.0, 1.0))


def test_a_server_that_does_not_come_back_is_a_status_of_every_judgment() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    engine = OpenAI(model="judge", base_url=url, concurrency=8, retries=2)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    tasks = [JudgmentTask.from_pair(str(number), "a", "b") for number in range(20)]
    with ThreadPoolExecutor(1) as pool, backend(port) as doomed:
        judging = pool.submit(judge.judge, tasks)
        time.sleep(0.5)
        doomed.kill()
        results = judging.result(60)
    statuses = {judgment.status for result in results for judgment in result.judgments}
    assert statuses <= {JudgmentStatus.OK, JudgmentStatus.ENGINE_ERROR}
    assert JudgmentStatus.ENGINE_ERROR in statuses
    failed = [one for result in results for one in result.judgments if not one.ok]
    assert all(re.search("failed 3 times", judgment.detail) for judgment in failed)


async def fine(number: int, body: dict[str, Any], request: Any) -> Any:
    return said("fine")


SCRIPT = """
from j1sdk import Message, OpenAI, Sampling
from j1sdk.background import run

engine = OpenAI(model="judge", base_url={url!r})
for _ in range(2):
    print(run(engine.complete((Message(role="user", content="hi"),), Sampling())).text)
    engine = engine.replace(concurrency=2)
"""


def test_a_script_that_never_closes_its_engine_ends_quietly(chat_server: Serve) -> None:
    script = SCRIPT.format(url=chat_server(fine).url)
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    environment = {**os.environ, "PYTHONASYNCIODEBUG": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "fine\nfine\n"), done.stderr
    assert "nclosed client" not in done.stderr and "Traceback" not in done.stderr
