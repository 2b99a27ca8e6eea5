"""A server under load, on a broken engine, and told to stop: nothing is lost, nothing made up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from reward_client import ask, ask_all, ask_async, metric, pointwise, sample, scored, until

from j1sdk import EngineError, Pointwise
from j1sdk.server import Serve, served
from j1sdk.server.running import allow_connections

J1 = str(Path(sys.executable).with_name("j1"))
MANY = 1000
PLUGIN = """
import asyncio, hashlib
from j1sdk import Completion, Engine, Pointwise, hookimpl

class Hashing(Engine):
    name = "hashing"
    latency: float = 0.0
    log: str = "/dev/null"

    async def complete(self, conversation, sampling):
        with open(self.log, "a") as log:
            log.write(conversation[-1].content.replace("\\n", " ") + "\\n")
        await asyncio.sleep(self.latency)
        text = conversation[-1].content.partition("[Response]")[2]
        number = text.split()[0] if text.split() else "0"
        return Completion(text=Pointwise().write((int(number) % 19 / 2 + 0.5,)))

@hookimpl
def engines():
    return [Hashing]
"""
"""An engine whose scores are never 0 and never 5 of ten: no stand-in can pass for one."""


def expected(number: int) -> float:
    return (number % 19 / 2 + 0.5) / 10


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A run file, next to the plugin whose engine it names."""
    (tmp_path / "hashing.py").write_text(PLUGIN, encoding="utf-8")
    info = tmp_path / "hashing-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hashing\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[j1sdk]\nhashing = hashing\n")
    path = tmp_path / "run.toml"
    path.write_text(
        '[judge]\nformat = "pointwise"\nengine = { name = "hashing", latency = 1.0 }\n'
        "[serve]\nport = 0\nmax_pending = 2000\n"
    )
    return path


def few_files() -> None:
    """A shell's common limit, or less: the server has to raise it by itself."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))


@contextmanager
def started(run_file: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`j1 serve`, ready, and its URL."""
    environment = {**os.environ, "PYTHONPATH": str(run_file.parent), "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen(
        [J1, "serve", str(run_file), *options], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=few_files,
    )  # fmt: skip
    assert process.stdout and process.stderr
    try:
        first = process.stdout.readline()
        assert "http://" in first, process.stderr.read()
        url = first.split()[-1]
        until(lambda: ask(f"{url}/ready").status == 200, 30)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_a_thousand_clients_at_once_are_all_answered(run_file: Path) -> None:
    allow_connections()
    bodies = [sample(f" {number} because") for number in range(MANY)]
    with started(run_file) as (_, url):
        replies = asyncio.run(ask_all(f"{url}/get_reward", bodies))
        assert metric(url, "j1_scored_total") == MANY
        assert metric(url, "j1_pending") == 0
    assert Counter(reply.status for reply in replies) == {200: MANY}
    assert [reply.json["rewards"][0] for reply in replies] == [
        pytest.approx(expected(number)) for number in range(MANY)
    ]


def test_two_servers_share_a_cache_and_pay_once(run_file: Path) -> None:
    log = run_file.with_name("asked.txt")
    inner = f'{{ name = "hashing", latency = 0.05, log = "{log}" }}'
    cached = f'engine = {{ name = "cached", path = "cache.sqlite", engine = {inner} }}'
    run_file.write_text(f'[judge]\nformat = "pointwise"\n{cached}\n[serve]\nport = 0\n')
    bodies = [sample(f" {number} because") for number in range(200)]

    async def everything(one: str, two: str) -> list[float]:
        first = await ask_all(one, bodies[:100])
        again = await ask_all(two, bodies[:100])
        both = await asyncio.gather(ask_all(one, bodies[100:]), ask_all(two, bodies[100:]))
        return [reply.json["rewards"][0] for reply in (*first, *again, *both[0], *both[1])]

    with started(run_file) as (_, one), started(run_file) as (_, two):
        rewards = asyncio.run(everything(f"{one}/get_reward", f"{two}/get_reward"))
    right = [pytest.approx(expected(number)) for number in range(200)]
    assert rewards == [*right[:100], *right[:100], *right[100:], *right[100:]]
    asked = Counter(line for line in log.read_text().splitlines() if "because" in line)
    assert len(asked) == 200
    assert sum(asked.values()) <= 300, "what one server has paid for, the other pays again"


async def outcome(url: str, number: int) -> float | str:
    """The reward, or how the request was refused."""
    try:
        reply = await ask_async(url, sample(f" {number} because"))
    except OSError as error:
        return type(error).__name__
    if reply.status != 200:
        assert reply.status == 500 or reply.headers["retry-after"] == "1"
        return f"HTTP {reply.status}"
    return float(json.loads(reply.body)["rewards"][0])


async def steady_load(process: subprocess.Popen[str], url: str) -> list[float | str]:
    """Requests every few milliseconds, with a SIGTERM among them."""
    asked = []
    for number in range(300):
        asked.append(asyncio.create_task(outcome(url, number)))
        await asyncio.sleep(0.005)
        if number == 150:
            process.send_signal(signal.SIGTERM)
    return await asyncio.gather(*asked)


def test_sigterm_under_load_loses_nothing_and_makes_nothing_up(run_file: Path) -> None:
    with started(run_file) as (process, url):
        outcomes = asyncio.run(steady_load(process, f"{url}/get_reward"))
        code = process.wait(timeout=30)
        assert process.stderr and process.stderr.read() == ""
    assert code == 0
    for number, one in enumerate(outcomes):
        refused = one in ("HTTP 503", "ConnectionRefusedError", "ConnectionResetError")
        assert refused or one == pytest.approx(expected(number)), (number, one)
    assert all(isinstance(one, float) for one in outcomes[:140]), "these were accepted before"
    assert not any(isinstance(one, float) for one in outcomes[200:]), "these came after"
    assert "HTTP 503" in outcomes, "while it finishes, it says so"


def test_a_second_signal_does_not_wait(run_file: Path) -> None:
    run_file.write_text(run_file.read_text().replace("latency = 1.0", "latency = 4.0"))
    with started(run_file, "--deadline", "60") as (process, url):

        async def interrupted() -> float | str:
            asked = asyncio.create_task(outcome(f"{url}/get_reward", 1))
            await asyncio.sleep(0.5)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.5)
            assert process.poll() is None, "it waits for the answer"
            process.send_signal(signal.SIGINT)
            return await asked

        begun = time.monotonic()
        assert isinstance(asyncio.run(interrupted()), str), "refused, or cut off"
        assert process.wait(timeout=10) == 0 and time.monotonic() - begun < 4


def test_while_it_finishes_it_is_not_ready() -> None:
    async def scene(url: str) -> tuple[Any, Any, Any]:
        asked = asyncio.create_task(ask_async(f"{url}/get_reward", sample("x")))
        await asyncio.sleep(0.3)
        server.close()
        await asyncio.sleep(0.3)
        loop = asyncio.get_running_loop()
        ready = await loop.run_in_executor(None, ask, f"{url}/ready")
        new = await ask_async(f"{url}/get_reward", sample("y"))
        return ready, new, await asked

    with served(pointwise(scored(7.5), 1.2), Serve(port=0, warm_up=False)) as server:
        ready, new, accepted = asyncio.run(scene(server.url))
    assert ready.status == new.status == 503 and new.headers["retry-after"] == "1"
    assert accepted.json["rewards"] == [0.75]


def test_an_engine_that_hangs_costs_the_deadline_and_no_more() -> None:
    options = Serve(port=0, deadline=0.3, warm_up=False)
    with served(pointwise(scored(5), 3600), options) as server:
        begun = time.monotonic()
        bodies = [sample(str(number)) for number in range(50)]
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
        assert time.monotonic() - begun < 5
        assert metric(server.url, "j1_pending") == 0
        assert metric(server.url, "j1_scored_total") == 0
    assert {reply.status for reply in replies} == {503}


def test_an_engine_that_comes_back_is_used_again() -> None:
    down = True

    def script(question: str) -> Any:
        return EngineError("connection refused") if down else Pointwise().write((5.0,))

    with served(pointwise(script), Serve(port=0, warm_up=False)) as server:
        url = f"{server.url}/get_reward"
        refused = ask(url, sample("x"))
        down = False
        assert ask(url, sample("x")).json["rewards"] == [0.5]
    assert refused.status == 503 and "connection refused" in refused.json["error"]


def test_clients_that_leave_under_load_leave_nothing_behind() -> None:
    async def scene(url: str) -> list[Any]:
        asked = [asyncio.create_task(ask_async(url, sample(str(number)))) for number in range(200)]
        await asyncio.sleep(0.5)
        for one in asked[::2]:
            one.cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    with served(pointwise(scored(7.5), 1.5), Serve(port=0, warm_up=False)) as server:
        replies = asyncio.run(scene(f"{server.url}/get_reward"))
        assert [reply.json["rewards"] for reply in replies[1::2]] == [[0.75]] * 100
        until(lambda: metric(server.url, "j1_pending") == 0)
        assert metric(server.url, "j1_scored_total") == 100
        assert metric(server.url, "j1_requests_total", code="499") == 100
