"""Work that several wait for is done once, and work that nobody waits for is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Work(Generic[Result]):
    """A task with those who wait for it; cancelled when the last of them leaves early."""

    def __init__(self, coroutine: Coroutine[Any, Any, Result], done: Callable[[], object]) -> None:
        self._task = asyncio.create_task(coroutine)
        self._task.add_done_callback(_look_at)
        self._done = done
        self._waiting = 0

    async def wait(self) -> Result:
        """The result, however many wait for it. Leaving does not take it from the others."""
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.stop()
                self._done()

    def stop(self) -> None:
        """Cancel it, if it is not done."""
        self._task.cancel()


class Sharing(Generic[Key, Result]):
    """What is in flight, by key."""

    def __init__(self, joined: Callable[[], object] = lambda: None) -> None:
        self._flights: dict[Key, Work[Result]] = {}
        self._joined = joined

    def __contains__(self, key: Key) -> bool:
        return key in self._flights

    async def get(self, key: Key, start: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of the work under this key, which is started unless it is in flight."""
        if key in self._flights:
            self._joined()
        else:
            self._flights[key] = Work(start(), lambda: self._flights.pop(key, None))
        return await self._flights[key].wait()


def _look_at(task: asyncio.Task[Any]) -> None:
    """Take the error of a task whose waiters are gone, which asyncio would print."""
    if not task.cancelled():
        task.exception()
