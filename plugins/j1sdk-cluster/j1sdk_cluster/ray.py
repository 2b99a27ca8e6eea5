"""Workers of a Ray cluster, each with the model: what a judge asks is spread over them.

    [judge.engine]
    name = "ray"
    workers = 8
    gpus = 1
    engine = { name = "vllm", model = "Qwen/Qwen3-8B" }

Only completions are made by the workers. Prompts, readings and judgment lines stay in the process
that judges, so all it does (`j1 judge`, `j1 eval`, `j1 serve`, rewards) works as before, and
goes on where it stopped as before. What a worker was doing when it died is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from j1sdk.background import on_background
from j1sdk.engines import Engine
from j1sdk.engines.opened import Opened
from j1sdk.engines.wrapping import WrappingEngine
from j1sdk.errors import EngineError, MissingExtraError
from j1sdk.types import Completion, Conversation, Sampling
from j1sdk_cluster.spreading import Spreading

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 1000
"""Completions that a worker may be asked for at once: its engine makes batches of them."""


class Ray(WrappingEngine):
    """Has the workers of a Ray cluster complete conversations, with the same engine in each."""

    name: ClassVar[str] = "ray"
    incidental: ClassVar[frozenset[str]] = frozenset({"workers", "gpus", "cpus", "address"})
    engine: Engine
    """What each worker opens; a model's folder has to be there on every machine."""
    workers: int = Field(default=1, ge=1)
    """How many there are."""
    gpus: float = Field(default=0.0, ge=0.0)
    """GPUs that Ray keeps for each worker."""
    cpus: float = Field(default=1.0, ge=0.0)
    """CPU cores that Ray keeps for each worker."""
    address: str | None = None
    """Of a cluster, as `ray.init` takes it, such as "auto"; unless given, this machine alone."""
    _workers: ClassVar[Opened[Ray, _Workers]] = Opened(
        lambda engine: _Workers(engine.replace()), lambda workers: workers.end()
    )
    """Used on the background loop alone."""

    @property
    def completed(self) -> tuple[int, ...]:
        """How many completions each worker made for this object."""
        return tuple(self._workers.spreading.done)

    def needs_trust(self, folder: Path) -> list[str]:
        return [f"sends what is judged to the Ray cluster {self.address}"] if self.address else []

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await on_background(self._complete(conversation, sampling))

    async def close(self) -> None:
        if workers := type(self)._workers.take(self):
            workers.end()

    async def _complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await self._workers.complete(conversation, sampling)


class Worker:
    """One worker's engine; an actor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await self._engine.complete(conversation, sampling)


class _Workers:
    """The actors of one engine object in one process."""

    def __init__(self, engine: Ray) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "ray") from error
        if not ray.is_initialized():
            here = {"address": "local", "include_dashboard": False}
            there = {"address": engine.address}
            ray.init(**(there if engine.address else here), log_to_driver=False)
        actor: Any = ray.remote(Worker).options(
            num_gpus=engine.gpus,
            num_cpus=engine.cpus,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=AT_ONCE,
        )
        self._actors = [actor.remote(engine.engine) for _ in range(engine.workers)]
        self.spreading = Spreading([f"worker {number}" for number in range(engine.workers)])

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        from ray.exceptions import RayError, RayTaskError

        place = self.spreading.choose(conversation, range(len(self._actors)))
        try:
            with self.spreading.working(place):
                made: Completion = await self._actors[place].complete.remote(conversation, sampling)
                return made
        except RayTaskError as error:
            if isinstance(error.cause, EngineError):
                raise EngineError(f"worker {place}: {error.cause}") from error
            raise
        except RayError as error:
            raise EngineError(f"worker {place}: {error}") from error

    def end(self) -> None:
        """Let the workers go."""
        import ray

        if ray.is_initialized():
            for actor in self._actors:
                ray.kill(actor)
