"""Servers that refuse, hang and cut off: what is tried again, and for how long."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask, said

from j1sdk import (
    Completion,
    EngineError,
    OpenAI,
    Sampling,
)
from j1sdk.background import run
from j1sdk.engines.openai_client import Access, Client, Limits, proxy_of, seconds_to_wait

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]


def engine_for(served: ChatServer, **options: Any) -> OpenAI:
    return OpenAI(**{"model": "judge", "base_url": served.url, **options})


def one(engine: OpenAI, text: str = "hi") -> str:
    return run(engine.complete(ask(text), Sampling())).text


async def together(engine: OpenAI, texts: Sequence[str]) -> list[Completion | BaseException]:
    asked = (engine.complete(ask(text), Sampling()) for text in texts)
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def echo(number: int, body: dict[str, Any], request: Any) -> Any:
    return said(body["messages"][0]["content"])


def refused(status: int, text: str = "no", **headers: str) -> Any:
    from aiohttp import web

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=text, headers=named)


def failing(times: int, status: int, text: str = "no", **headers: str) -> Script:
    """Refuses so many requests, then answers."""

    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        return refused(status, text, **headers) if number < times else said("at last")

    return script


@contextmanager
def taking(least: float = 0.0, most: float = 10.0) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert least <= time.monotonic() - begun <= most


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_passes_is_tried_again(chat_server: Serve, status: int) -> None:
    server = chat_server(failing(2, status))
    assert one(engine_for(server)) == "at last"
    assert len(server.asked) == 3
    assert server.asked[0] == server.asked[2]


@pytest.mark.parametrize("status", [400, 402, 405, 413, 422, 204, 202])
def test_what_does_not_pass_is_not_tried_again(chat_server: Serve, status: int) -> None:
    server = chat_server(failing(9, status, text='{"error": "context  length\n exceeded"}'))
    with pytest.raises(EngineError, match=rf"judge at http://.*/v1: {status} ") as caught:
        one(engine_for(server))
    assert len(server.asked) == 1
    assert status == 204 or '{"error": "context length exceeded"}' in str(caught.value)


def test_a_long_body_is_shown_in_part(chat_server: Serve) -> None:
    server = chat_server(failing(9, 400, text="no\n" * 100_000))
    with pytest.raises(EngineError) as caught:
        one(engine_for(server))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["<html>not JSON</html>", "", '{"choices": [', "[" * 100_000])
def test_what_is_not_json_is_shown(chat_server: Serve, text: str) -> None:
    server = chat_server(failing(9, 200, text=text, Content_Type="text/html"))
    with pytest.raises(EngineError, match="answered what is not JSON") as caught:
        one(engine_for(server))
    assert (text[:150] or "an empty body") in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_explained_and_not_repeated(
    chat_server: Serve, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-123456")
    server = chat_server(failing(9, status, text="x" * 195 + "bad key: sk-123456"))
    with pytest.raises(EngineError, match=r"wants a key.* `api_key_env`"):
        one(engine_for(server))
    with pytest.raises(EngineError, match="wants another key") as caught:
        one(engine_for(server, api_key_env="JUDGE_KEY"))
    assert "sk-1" not in str(caught.value)


def test_a_model_that_is_not_there_is_answered_with_those_that_are(chat_server: Serve) -> None:
    server = chat_server(failing(99, 404))
    server.models += ["judges", "Qwen/Qwen3-8B"]
    engine = engine_for(server)
    errors = run(together(engine, ["hi"] * 20))
    assert {type(error) for error in errors} == {EngineError}
    assert str(errors[0]).endswith("Models it serves: Qwen/Qwen3-8B, judges")
    assert len(server.asked) == 20


def test_a_wrong_path_is_explained(chat_server: Serve) -> None:
    server = chat_server(echo)
    engine = engine_for(server, base_url=server.url.removesuffix("/v1"))
    with pytest.raises(EngineError, match=r"404 .*is base_url right, up to and including /v1\?"):
        one(engine)


def test_where_a_server_sends_us_is_not_followed_but_told(chat_server: Serve) -> None:
    server = chat_server(failing(9, 307, Location="https://elsewhere/v1"))
    with pytest.raises(EngineError, match="Set base_url to where it leads: https://elsewhere/v1"):
        one(engine_for(server))
    assert len(server.asked) == 1


def test_attempts_are_counted(chat_server: Serve) -> None:
    server = chat_server(failing(99, 503, text="starting"))
    with pytest.raises(EngineError, match=r"failed 3 times in .*, last with: 503 .*: starting"):
        one(engine_for(server, retries=2))
    assert len(server.asked) == 3


def test_waits_double_up_to_a_limit_and_are_never_shorter_than_asked() -> None:
    async def waits() -> list[list[float]]:
        client = Client(Access("http://localhost:1/v1"), Limits(1, 1.0, 1.0, 1))
        drawn = [[client._wait(attempt, None) for _ in range(200)] for attempt in (1, 2, 5, 99)]
        assert client._wait(1, 7.5) == 7.5
        await client.close()
        return drawn

    for drawn, most in zip(run(waits()), (0.1, 0.2, 1.6, 30.0), strict=True):
        assert most / 2 <= min(drawn) < 0.6 * most and 0.9 * most < max(drawn) <= most


def test_retry_after_is_heeded(chat_server: Serve) -> None:
    server = chat_server(failing(1, 429, Retry_After="1"))
    with taking(least=1.0):
        assert one(engine_for(server)) == "at last"


def test_a_wait_beyond_the_deadline_is_not_waited_for(chat_server: Serve) -> None:
    server = chat_server(failing(9, 429, Retry_After="3600"))
    with taking(most=5.0), pytest.raises(EngineError, match="asks to wait 3600 s"):
        one(engine_for(server))
    assert len(server.asked) == 1


def test_retry_after_is_read_in_seconds_or_as_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert 28 <= (seconds_to_wait(format_datetime(soon, usegmt=True)) or 0) <= 30
    assert seconds_to_wait(format_datetime(soon - timedelta(hours=1), usegmt=True)) == 0
    assert (seconds_to_wait("1.5"), seconds_to_wait("0")) == (1.5, 0)
    for nonsense in ("", "soon", "nan", "inf", "-1", "1e9", "\u0663 days"):
        assert seconds_to_wait(nonsense) is None


async def hang(number: int, body: dict[str, Any], request: Any) -> Any:
    await asyncio.sleep(60)


def test_a_server_that_hangs_is_given_up_at_the_deadline(chat_server: Serve) -> None:
    server = chat_server(hang)
    with taking(least=0.5, most=3.0), pytest.raises(EngineError, match=r"times in .*no answer in"):
        one(engine_for(server, timeout=0.2, deadline=1.0))
    assert 2 <= len(server.asked) <= 5


def test_the_deadline_cuts_an_attempt_short(chat_server: Serve) -> None:
    server = chat_server(hang)
    with taking(most=3.0), pytest.raises(EngineError, match="failed once with"):
        one(engine_for(server, deadline=0.3))


def test_a_hang_is_tried_again(chat_server: Serve) -> None:
    async def at_first(number: int, body: dict[str, Any], request: Any) -> Any:
        return said("at last") if number else await hang(number, body, request)

    assert one(engine_for(chat_server(at_first), timeout=0.2)) == "at last"


def test_waiting_for_a_turn_is_not_part_of_the_deadline(chat_server: Serve) -> None:
    async def slow(number: int, body: dict[str, Any], request: Any) -> Any:
        await asyncio.sleep(0.1)
        return said("fine")

    engine = engine_for(chat_server(slow), concurrency=1, timeout=0.6, deadline=0.8)
    written = run(together(engine, ["hi"] * 12))
    assert [one.text for one in written if isinstance(one, Completion)] == ["fine"] * 12


@pytest.mark.parametrize("where", ["before", "amid headers", "amid the body", "amid chunks"])
def test_a_connection_that_is_cut_is_tried_again(chat_server: Serve, where: str) -> None:
    sent = {
        "before": b"",
        "amid headers": b"HTTP/1.1 200 OK\r\nContent-Le",
        "amid the body": b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"choices": [',
        "amid chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    }

    async def cut(number: int, body: dict[str, Any], request: Any) -> Any:
        if number < 2:
            request.transport.write(sent[where])
            await asyncio.sleep(0.01)
            request.transport.abort() if number else request.transport.close()
        return said("at last")

    server = chat_server(cut)
    assert one(engine_for(server)) == "at last"
    assert len(server.asked) == 3


def test_what_is_not_http_is_an_engine_error() -> None:
    async def greet(reader: Any, writer: Any) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    async def asked() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            engine = OpenAI(model="judge", base_url=f"http://127.0.0.1:{port}/v1", retries=1)
            with pytest.raises(EngineError, match="failed 2 times"):
                await engine.complete(ask("hi"), Sampling())
            await engine.close()

    asyncio.run(asked())


def test_all_give_up_a_silent_server_at_one_deadline() -> None:
    dead = OpenAI(
        model="judge", base_url="http://127.0.0.1:1/v1", concurrency=1, deadline=0.6, retries=99
    )
    with taking(least=0.3, most=3.0):
        errors = run(together(dead, ["hi"] * 20))
    assert [type(error) for error in errors] == [EngineError] * 20
    assert "failed once with" in str(errors[-1])


def test_a_server_that_is_heard_again_has_all_the_time_again(chat_server: Serve) -> None:
    async def hang_twice(number: int, body: dict[str, Any], request: Any) -> Any:
        return await hang(number, body, request) if number in (0, 2) else said("fine")

    engine = engine_for(chat_server(hang_twice), timeout=0.3, deadline=1.5)
    assert one(engine) == "fine"
    time.sleep(1.5)
    assert one(engine) == "fine"


def test_nobody_at_the_port_is_an_engine_error() -> None:
    engine = OpenAI(model="judge", base_url="http://127.0.0.1:1/v1", retries=2)
    with pytest.raises(EngineError, match=r"failed 3 times in .*, last with: Cannot connect"):
        one(engine)


def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_of("https://api.example/v1") == "http://proxy:3128"
    assert proxy_of("https://inside.example/v1") is None
    assert proxy_of("https://localhost:8000/v1") is proxy_of("http://api.example/v1") is None
