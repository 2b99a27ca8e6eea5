"""One event loop on one daemon thread, for the plain forms of async methods."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from functools import cache
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


@cache
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """The loop of this process; a forked child has the parent's cache but not its threads."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="j1-loop", daemon=True).start()
    return loop


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result. Works where another event loop is already running (notebooks)."""
    loop = _loop(os.getpid())
    if _running() is loop:
        coroutine.close()
        raise RuntimeError("an engine or format must await the `_async` form: this would hang")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    except BaseException:  # an interrupt must stop the work as well as the waiting
        future.cancel()
        raise


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
