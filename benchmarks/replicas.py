"""Is one prompt's work better sent to one server: what is cached there, and how even is the load?

    python benchmarks/replicas.py [--pairs FILE]

Two vLLM servers of one small model, asked for both orders of real pairs and for all pairs of groups
of eight responses: by the engine `replicas`, and, as the control, in turns. Beside them one server
alone. The figures are vLLM's own counts of prompt tokens looked up and found.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError
from urllib.request import Request, urlopen

from j1sdk_cluster import Replicas
from prefix_cache import BLOCK, rank_all
from recording import parser, record
from small_judge import SEED, SURROUNDINGS, real_pairs, small_judge, texts_of, vllm_version

from j1sdk import (
    Completion,
    Conversation,
    Engine,
    JudgeRewardModel,
    JudgmentTask,
    OpenAI,
    PairwiseVerdict,
    Sampling,
)
from j1sdk.engines.opened import Opened

STARTING = 300.0
"""Seconds that vLLM may take to start."""


class InTurns(Engine):
    """The control: the servers are asked one after the other."""

    name = "in-turns"
    servers: tuple[OpenAI, ...]
    _turns: ClassVar[Opened[InTurns, Iterator[OpenAI]]] = Opened(lambda own: cycle(own.servers))

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await next(self._turns).complete(conversation, sampling)


@contextmanager
def serving(model: Path) -> Iterator[str]:
    """A vLLM server of the model; its base URL."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    command += ["--port", str(port), "--host", "127.0.0.1", "--served-model-name", "judge"]
    command += ["--dtype", "bfloat16", "--enforce-eager", "--gpu-memory-utilization", "0.2"]
    command += ["--block-size", str(BLOCK), "--trust-request-chat-template"]
    command += ["--uvicorn-log-level", "warning"]
    own = {**SURROUNDINGS, "VLLM_SERVER_DEV_MODE": "1", **os.environ}
    server = subprocess.Popen(command, start_new_session=True, env=own)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + STARTING
    while True:
        if server.poll() is not None or time.monotonic() > ends:
            raise RuntimeError("vLLM did not start")
        with suppress(URLError, OSError), urlopen(url, timeout=5):
            return
        time.sleep(0.5)


def counted(url: str) -> tuple[float, float]:
    """Prompt tokens that a server looked up in its cache so far, and those it found."""
    text = urlopen(url.removesuffix("/v1") + "/metrics", timeout=30).read().decode()

    def total(name: str) -> float:
        return sum(map(float, re.findall(rf"^vllm:{name}(?:_total)?{{[^}}]*}} (\S+)$", text, re.M)))

    return total("prefix_cache_queries"), total("prefix_cache_hits")


def measured(urls: Sequence[str], engine: Engine, work: Callable[[JudgeRewardModel], Any]) -> Any:
    """The share of prompt tokens found, from empty caches; and the busiest server's of all work."""
    for url in urls:
        urlopen(Request(url.removesuffix("/v1") + "/reset_prefix_cache", method="POST"), timeout=60)
    before = [counted(url) for url in urls]
    sampling = Sampling(max_new_tokens=1)
    work(JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling))
    changes = [
        (asked - was, found - had)
        for (asked, found), (was, had) in zip(map(counted, urls), before, strict=True)
    ]
    asked = sum(one for one, _ in changes)
    return sum(found for _, found in changes) / asked, max(one for one, _ in changes) / asked


def rows_of(urls: Sequence[str], pairs: Sequence[JudgmentTask], groups: int) -> list[Any]:
    """A row for each workload and way to spread it."""
    alone = OpenAI(model="judge", base_url=urls[0], server="vllm")
    every = tuple(alone.replace(base_url=url) for url in urls)
    ways: dict[str, Callable[[], Engine]] = {
        "one server": lambda: alone,
        "replicas": lambda: Replicas(engine=alone, also=tuple(urls[1:])),
        "control: in turns": lambda: InTurns(servers=every),
    }
    work: dict[str, Callable[[JudgeRewardModel], Any]] = {
        f"both orders of {len(pairs)} pairs": lambda judge: judge.judge(pairs),
        f"{groups} groups of 8, round robin": partial(rank_all, pairs=pairs, count=groups),
    }
    rows = []
    for asked, job in work.items():
        for way, engine in ways.items():
            rate, busiest = measured(urls, engine(), job)
            row = {"asked for": asked, "asked of": way, "hit rate": rate}
            rows.append(row | {"the busier server's share of tokens": busiest})
    return rows


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, help="JSON lines; the shared data unless given")
    arguments = options.parse_args()
    count, groups = (8, 1) if arguments.quick else (200, 8)
    pairs = real_pairs(count, arguments.pairs)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        small_judge(Path(folder), texts_of(pairs))
        urls = [servers.enter_context(serving(Path(folder))) for _ in range(2)]
        rows = rows_of(urls, pairs, groups)
    title = "Prompt tokens found in the prefix caches of two vLLM servers"
    record("replicas", title, rows, arguments.out, block=BLOCK, seed=SEED, vllm=vllm_version())


if __name__ == "__main__":
    main()
