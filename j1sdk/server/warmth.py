"""Whether the engine works: it is asked for a few tokens before the server says it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from j1sdk.deliberation import question
from j1sdk.errors import EngineError
from j1sdk.server.desk import Desk
from j1sdk.types import JudgmentTask, presentations

FEW_TOKENS = 16
PAUSES = (0.5, 1, 2, 5, 10)
"""Seconds between tries; the last is repeated."""


@asynccontextmanager
async def warming(desk: Desk) -> AsyncIterator[None]:
    """While the server runs: warm up beside its first requests, and let go of the engine after."""
    task = asyncio.create_task(warm_up(desk))
    task.add_done_callback(lambda done: _note_failure(done, desk))
    try:
        yield
    finally:
        task.cancel()
        await desk.judge.engine.close()


async def warm_up(desk: Desk) -> None:
    """Return once the engine has answered; an engine out of reach is asked again."""
    tries = 0
    while desk.options.warm_up and not desk.ready:
        try:
            await _ask(desk)
            break
        except EngineError as error:
            desk.trouble = [str(error)]
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
    desk.trouble, desk.ready = [], True


async def _ask(desk: Desk) -> None:
    """Have the engine begin a judgment."""
    judge = desk.judge
    task = JudgmentTask(prompt="2 + 2?", responses=("4", "5"))
    shown = presentations(task, judge.format.arity)[0]
    few = {"max_new_tokens": min(FEW_TOKENS, judge.sampling.max_new_tokens)}
    sampling = judge.sampling.model_copy(update=few)
    await judge.engine.complete(question(judge.format, shown, judge.engine.reserved), sampling)


def _note_failure(done: asyncio.Task[None], desk: Desk) -> None:
    """Anything but an engine out of reach will not go away: no model there, a broken plugin."""
    if not done.cancelled() and (error := done.exception()):
        desk.failure = error
        desk.close()
