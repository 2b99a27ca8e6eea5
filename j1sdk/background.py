"""One event loop on one daemon thread: for plain forms of async methods, and as a fixed home."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from threading import Thread
from typing import Any, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")


class _Loop(asyncio.SelectorEventLoop):
    """A loop that counts as closed in a forked child, where no thread runs it.

    Connections that the child inherits and lets go of would else be taken off the list of open
    files that the kernel keeps for parent and child together, and the parent would wait in vain.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    @property
    def _inherited(self) -> bool:
        return self._process != os.getpid()

    def is_closed(self) -> bool:
        return super().is_closed() or self._inherited

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What a child lets go of unclosed is still its parent's: no complaint."""
        if not self._inherited:
            super().call_exception_handler(context)


_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By process: a forked child has the parent's, but not the thread that runs it."""


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, the same one for threads that ask for it first at once."""
    if (loop := _loops.get(os.getpid())) is not None:
        return loop
    made = _Loop()
    loop = _loops.setdefault(os.getpid(), made)
    if loop is made:
        Thread(target=made.run_forever, name="j1-loop", daemon=True).start()
    else:
        made.close()
    return loop


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result. Works where another event loop is already running (notebooks)."""
    loop = _loop()
    if _running() is loop:
        coroutine.close()
        raise RuntimeError("an engine or format must await the `_async` form: this would hang")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    except BaseException:  # an interrupt must stop the work as well as the waiting
        future.cancel()
        raise


async def on_background(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The coroutine's result, from the background loop whichever loop asks.

    For what is bound to one event loop but wanted on any.
    """
    loop = _loop()
    if _running() is loop:
        return await coroutine
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))


async def all_at_once(
    work: Callable[[Given], Awaitable[Result]], given: Iterable[Given]
) -> list[Result]:
    """The result for each, all under way at once; a single one needs no task of its own."""
    if len(every := list(given)) == 1:
        return [await work(every[0])]
    return list(await asyncio.gather(*map(work, every)))


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
