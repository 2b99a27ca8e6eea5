"""What the reward server costs: against a bare FastAPI route that only sleeps as long.

Both run under uvicorn in a process of their own, and take turns; 64 connections send OpenRLHF's
requests, each with a response of its own. The judge is pointwise, on a scripted engine of fixed
latency: all else is the server's doing, and the judge's in asking and reading. Of each, the
fastest round counts: whatever else a machine does can only slow one down.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from time import perf_counter
from typing import Any, NamedTuple

from recording import parser, record

CONNECTIONS, ROUNDS = 64, 5
LATENCIES = (0.001, 0.05, 0.2)
"""Seconds: the server is all that a fast judge waits for, and nothing to one that thinks."""
NEEDED = {50: 0.95, 200: 0.95}
"""The least throughput, as a share of the bare route's, by the engine's latency in ms."""
ANSWER = {"rewards": [0.75], "scores": [0.75], "extra_logs": {"j1/unscored": [0.0]}}
PROMPT = "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n"


class Load(NamedTuple):
    """What one run of requests took."""

    seconds: float
    latencies: list[float]
    errors: int


def serve(arm: str, latency: float) -> None:
    """Serve one of the two until terminated."""
    if arm == "j1":
        serve_judge(latency)
    else:
        serve_bare(latency)


def serve_judge(latency: float) -> None:
    from j1sdk import JudgeRewardModel, Pointwise, Scripted
    from j1sdk.server import Serve, open_server

    text = Pointwise().write((7.5,), "It explains scattering, and says why violet loses. " * 8)
    engine = Scripted(script=lambda asked, sampling: text, latency=latency)
    server = open_server(JudgeRewardModel(format=Pointwise(), engine=engine), Serve(port=0))
    print(server.url, flush=True)
    server.serve_forever()


def serve_bare(latency: float) -> None:
    import socket

    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/get_reward")
    async def get_reward() -> dict[str, Any]:
        await asyncio.sleep(latency)
        return ANSWER

    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def running(arm: str, latency: float) -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, __file__, "--arm", arm, "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline().rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait()


async def send(port: int, requests: int) -> Load:
    """All requests, over so many connections at once."""
    waiting, latencies, errors = iter(range(requests)), list[float](), 0

    async def connection() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in waiting:
            started = perf_counter()
            writer.write(request(number))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            answer = json.loads(await reader.readexactly(length))
            latencies.append(perf_counter() - started)
            errors += not head.startswith(b"HTTP/1.1 200") or answer["rewards"] != [0.75]
        writer.close()

    started = perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return Load(perf_counter() - started, latencies, errors)


def request(number: int) -> bytes:
    """What OpenRLHF sends for one sample of some 200 words."""
    response = f"{number}: " + "Because air scatters short waves more than long ones. " * 22
    said = {"query": [f"{PROMPT}{response}<|im_end|>"], "prompts": [PROMPT], "labels": [""]}
    body = json.dumps(said).encode()
    return (
        b"POST /get_reward HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )


def compare(latency: float, requests: int, rounds: int) -> dict[str, Any]:
    """Both arms in turns; of each, the fastest round."""
    loads: dict[str, list[Load]] = {"bare": [], "j1": []}
    with running("bare", latency) as bare, running("j1", latency) as ours:
        for port in (bare, ours):
            asyncio.run(send(port, CONNECTIONS * 4))
        for _ in range(rounds):
            for arm, port in (("bare", bare), ("j1", ours)):
                loads[arm].append(asyncio.run(send(port, requests)))
    best = {arm: min(loads[arm], key=lambda load: load.seconds) for arm in loads}
    rate = {arm: requests / load.seconds for arm, load in best.items()}
    p99 = {arm: 1000 * quantiles(load.latencies, n=100)[98] for arm, load in best.items()}
    return {
        "engine latency, ms": round(1000 * latency),
        "bare, requests/s": rate["bare"],
        "j1 serve, requests/s": rate["j1"],
        "throughput ratio": rate["j1"] / rate["bare"],
        "bare p99, ms": p99["bare"],
        "j1 serve p99, ms": p99["j1"],
        "added p99, ms": p99["j1"] - p99["bare"],
        "errors": sum(one.errors for load in loads.values() for one in load),
    }


def main() -> int:
    """0 if no request failed and the throughput is what it has to be, at every latency."""
    arguments = parser(__doc__)
    arguments.add_argument("--arm", choices=["j1", "bare"], help="serve this one, and no more")
    arguments.add_argument("--latency", type=float, default=0.05, help="of the engine, s")
    chosen = arguments.parse_args()
    if chosen.arm:
        serve(chosen.arm, chosen.latency)
        return 0
    requests, rounds = (640, 1) if chosen.quick else (5000, ROUNDS)
    rows = [compare(latency, requests, rounds) for latency in LATENCIES]
    facts = {"connections": CONNECTIONS, "requests a round": requests, "rounds": rounds}
    record("server", "The reward server", rows, chosen.out, **facts, **versions())
    least = [NEEDED.get(row["engine latency, ms"], 0) for row in rows]
    good = all(
        not row["errors"] and row["throughput ratio"] >= share
        for row, share in zip(rows, least, strict=True)
    )
    return 0 if good else 1


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {one: version(one) for one in ("fastapi", "starlette", "uvicorn", "httptools", "uvloop")}


if __name__ == "__main__":
    sys.exit(main())
