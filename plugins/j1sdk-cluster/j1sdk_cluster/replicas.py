"""Several servers of one model: the work is spread over them, and one that fails is gone around.

[judge.engine]
name = "replicas"
also = ["http://gpu1:8000/v1"]
engine = { name = "openai", model = "Qwen/Qwen3-8B", base_url = "http://gpu0:8000/v1" }
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import ClassVar, Self

from pydantic import Field

from j1sdk.background import on_background
from j1sdk.engines.openai import OpenAI
from j1sdk.engines.openai_client import Passing
from j1sdk.engines.opened import Opened
from j1sdk.engines.wrapping import WrappingEngine
from j1sdk.errors import EngineError
from j1sdk.types import Completion, Conversation, Sampling
from j1sdk_cluster.spreading import Spreading


class Replicas(WrappingEngine):
    """Spreads completions over servers of one model; judgments of one prompt go to one of them.

    What a server fails at for a while (timeouts, lost connections, 429 and 5xx) is asked of the
    others. What it refuses, such as a prompt that is too long, they would refuse as well.
    """

    name: ClassVar[str] = "replicas"
    incidental: ClassVar[frozenset[str]] = frozenset({"also", "retries", "rest"})
    engine: OpenAI
    """The first server, and how all of them are asked; `concurrency` is that of each."""
    also: tuple[str, ...] = Field(min_length=1)
    """The base URLs of the others."""
    retries: int = Field(default=1, ge=0)
    """Further attempts at a server before another is asked, in place of the engine's."""
    rest: float = Field(default=30.0, ge=0.0)
    """Seconds for which a server that failed is asked only where the others fail too."""
    _pool: ClassVar[Opened[Replicas, _Pool]] = Opened(lambda engine: _Pool(engine.replace()))
    """Used on the background loop alone."""

    @property
    def servers(self) -> tuple[OpenAI, ...]:
        """An engine for each server. Raises ConfigError for a URL that is none."""
        urls = dict.fromkeys((self.engine.base_url, *self.also))
        return tuple(self.engine.replace(base_url=url, retries=self.retries) for url in urls)

    @property
    def answered(self) -> dict[str, int]:
        """How many completions this object was given by each server."""
        pool = self._pool
        return {
            server.base_url: count
            for server, count in zip(pool.servers, pool.spreading.done, strict=True)
        }

    def needs_trust(self, folder: Path) -> list[str]:
        return [reason for server in self.servers[1:] for reason in server.needs_trust(folder)]

    def accept(self, sampling: Sampling) -> None:
        for server in self.servers:
            server.accept(sampling)

    def save(self, directory: Path) -> Self:
        """These servers as they are: none of them has its weights here."""
        return self

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await on_background(self._pool.complete(conversation, sampling))

    async def close(self) -> None:
        if pool := type(self)._pool.take(self):
            for server in pool.servers:
                await server.close()


class _Pool:
    """The servers in one process."""

    def __init__(self, engine: Replicas) -> None:
        self.servers = engine.servers
        self.spreading = Spreading([server.base_url for server in self.servers])
        self._rest = engine.rest
        self._resting = [0.0] * len(self.servers)
        """Until when each is left alone."""

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        left, failures = set(range(len(self.servers))), list[EngineError]()
        while left:
            place = self.spreading.choose(conversation, self._rested(left))
            left.remove(place)
            try:
                with self.spreading.working(place):
                    return await self.servers[place].complete(conversation, sampling)
            except EngineError as error:
                if not passes(error):
                    raise
                self._resting[place] = monotonic() + self._rest
                failures.append(error)
        raise EngineError(f"none of {len(self.servers)} servers answered; {failures[-1]}")

    def _rested(self, left: set[int]) -> set[int]:
        """Those that did not fail of late, if there are such."""
        now = monotonic()
        return {place for place in left if self._resting[place] <= now} or left


def passes(error: BaseException) -> bool:
    """Whether the server may answer another time."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Passing):
        cause = cause.__cause__
    return cause is not None
