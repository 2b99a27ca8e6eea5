"""A server that runs: in the foreground for `j1 serve`, or beside the caller's own code."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

import uvicorn

from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.server.app import build_app
from j1sdk.server.desk import Desk
from j1sdk.server.options import Serve

LAST_WORDS = 10
"""Seconds for answers to be read by their clients once all are given."""


class RewardServer(uvicorn.Server):
    """uvicorn, but it finishes what it has accepted before it stops listening."""

    def __init__(self, judge: JudgeRewardModel, options: Serve) -> None:
        app = build_app(judge, options)
        self.desk: Desk = app.state.desk
        self._listening = listen(options)
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="on",
                log_level="warning",
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=LAST_WORDS,
            )
        )
        host, port = self._listening.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def serve_forever(self) -> None:
        """Answer until told to stop by a signal or `close`; raises what made judging impossible."""
        allow_connections()
        seldom_collect_garbage()
        self._answer()
        if self.desk.failure:
            raise self.desk.failure

    @contextmanager
    def beside(self) -> Iterator[RewardServer]:
        """Answer on a thread of its own until the block ends; what was accepted is finished."""
        thread = Thread(target=self._answer, name="j1-server", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.close()
            thread.join()

    def _answer(self) -> None:
        self.run(sockets=[self._listening])

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal is a request to finish, and exit 0; the second one means now."""
        self.force_exit = self.should_exit
        self.close()

    async def on_tick(self, counter: int) -> bool:
        if self.desk.failure:
            self.close()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.desk.close()
        while self.desk.pending and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def allow_connections(most: int = 65_536) -> None:
    """Let this process have so many files open, or as many as it may; a connection is a file.

    Shells often allow 1024, and a trainer opens a connection for every rollout.
    """
    try:
        import resource
    except ImportError:  # not on Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def seldom_collect_garbage() -> None:
    """Keep what is loaded by now out of collections, and make them rare.

    All that a judge's libraries hold is otherwise looked through every few hundred requests, which
    wait for some 40 ms each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def listen(options: Serve) -> socket.socket:
    """A socket where the options say; raises ConfigError."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server((options.host, options.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {options.host}, port {options.port}: {error.strerror or error}"
        ) from error
