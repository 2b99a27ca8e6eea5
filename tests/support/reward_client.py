"""Clients of a reward server: one request at a time, or very many at once."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from j1sdk import Engine, JudgeRewardModel, PairwiseVerdict, Pointwise, Scripted
from j1sdk.engines.scripted import Answer
from j1sdk.types import Conversation


class Headers(dict[str, str]):
    """Headers by name, in any letter case."""

    def __init__(self, pairs: Mapping[str, str] | Message[str, str]) -> None:
        super().__init__((key.lower(), value) for key, value in pairs.items())

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    body: str
    headers: Headers

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, body: Any = None, timeout: float = 30, **headers: str) -> Reply:
    """The answer to a GET, or with a body to a POST, whatever its status."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return Reply(answer.status, answer.read().decode(), Headers(answer.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read().decode(), Headers(error.headers))


async def ask_async(url: str, body: Any, **headers: str) -> Reply:
    """As `ask`, over a connection of its own; cancelled, it hangs up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    data = json.dumps(body).encode()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    head += "Content-Type: application/json\r\n"
    head += "".join(f"{name}: {text}\r\n" for name, text in headers.items())
    try:
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        answer = (await reader.read()).decode()
    finally:
        writer.close()
    if not answer:
        raise ConnectionResetError("hung up without an answer")
    top, _, text = answer.partition("\r\n\r\n")
    first, *lines = top.split("\r\n")
    return Reply(int(first.split()[1]), text, Headers(dict(line.split(": ", 1) for line in lines)))


async def ask_all(url: str, bodies: Sequence[Any]) -> list[Reply]:
    """The answers to as many requests at once."""
    return list(await asyncio.gather(*(ask_async(url, body) for body in bodies)))


def sample(response: str, prompt: str = "Why?", label: Any = "") -> dict[str, Any]:
    """What OpenRLHF sends for one sample."""
    return {"query": [f"{prompt}{response}"], "prompts": [prompt], "labels": [label]}


def metric(url: str, name: str, **labels: str) -> float:
    """A figure of the server's `/metrics`."""
    for family in text_string_to_metric_families(ask(f"{url}/metrics").body):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return one.value
    raise AssertionError(f"no metric {name} {labels}")


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def pointwise(answer: Callable[[str], Answer], latency: float = 0.0) -> JudgeRewardModel:
    """A pointwise judge that answers from the text of its question."""
    return JudgeRewardModel(format=Pointwise(), engine=_scripted(answer, latency))


def scored(score: float) -> Callable[[str], str]:
    """An answer that gives this score, of ten, to everything."""
    return lambda question: Pointwise().write((score,))


def by_length() -> JudgeRewardModel:
    """A pairwise judge that prefers the longer response, and the earlier of two as long."""

    def answer(question: str) -> str:
        first = _between(question, "[Response of assistant A]", "[End of response of assistant A]")
        other = _between(question, "[Response of assistant B]", "[End of response of assistant B]")
        return PairwiseVerdict().write((1.0, 0.0) if len(first) >= len(other) else (0.0, 1.0))

    return JudgeRewardModel(format=PairwiseVerdict(), engine=_scripted(answer, 0.0))


def asked_of(judge: JudgeRewardModel) -> int:
    """How many completions the judge's engine was asked for, but for the warm-up."""
    assert isinstance(judge.engine, Scripted)
    return sum("2 + 2?" not in one[-1].content for one in judge.engine.asked)


def _scripted(answer: Callable[[str], Answer], latency: float) -> Engine:
    def script(asked: Conversation, sampling: object) -> Answer:
        return answer(asked[-1].content)

    return Scripted(script=script, latency=latency)


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]
