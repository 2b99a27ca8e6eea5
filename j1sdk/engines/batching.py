"""Turn items asked for one at a time into batches for a model that wants many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

QUIET_SECONDS = 0.003
"""A batch is begun when nothing new has been asked for during this time."""


class _Entry(NamedTuple, Generic[Item, Result]):
    item: Item
    future: Future[Result]


class Batcher(Generic[Item, Result]):
    """Collects what any event loop asks for and runs it in batches on one thread.

    Items with equal keys share a batch. Whatever waits when the thread falls idle is run next,
    longest first, so that a batch holds items of similar length.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        key: Callable[[Item], Hashable],
        length: Callable[[Item], int],
        batch_size: int,
    ) -> None:
        self._run, self._key, self._length, self._batch_size = run, key, length, batch_size
        self._queue: SimpleQueue[_Entry[Item, Result] | None] | None = None
        """What the thread reads; None while there is no thread."""
        self._changing = Lock()

    async def submit(self, item: Item) -> Result:
        """The item's result; raises what running its batch raised."""
        future: Future[Result] = Future()
        with self._changing:
            if self._queue is None:
                self._queue = SimpleQueue()
                Thread(
                    target=self._work, args=(self._queue,), name="j1-batcher", daemon=True
                ).start()
            self._queue.put(_Entry(item, future))
        return await asyncio.wrap_future(future)

    def _work(self, queue: SimpleQueue[_Entry[Item, Result] | None]) -> None:
        waiting: list[_Entry[Item, Result]] = []
        while True:
            if not self._gather(queue, waiting):
                for entry in waiting:
                    entry.future.cancel()
                return
            batch = self._take(waiting)
            if batch:
                self._answer(batch)

    def _gather(
        self,
        queue: SimpleQueue[_Entry[Item, Result] | None],
        waiting: list[_Entry[Item, Result]],
    ) -> bool:
        """Move what was asked for into `waiting`; False once closed."""
        timeout = QUIET_SECONDS if waiting else None
        while True:
            try:
                entry = queue.get(timeout=timeout)
            except Empty:
                return True
            if entry is None:
                return False
            waiting.append(entry)
            timeout = QUIET_SECONDS

    def _take(self, waiting: list[_Entry[Item, Result]]) -> list[_Entry[Item, Result]]:
        waiting[:] = [entry for entry in waiting if not entry.future.cancelled()]
        waiting.sort(key=lambda entry: self._length(entry.item), reverse=True)
        if not waiting:
            return []
        key = self._key(waiting[0].item)
        batch = [entry for entry in waiting if self._key(entry.item) == key][: self._batch_size]
        taken = set(map(id, batch))
        waiting[:] = [entry for entry in waiting if id(entry) not in taken]
        return [entry for entry in batch if entry.future.set_running_or_notify_cancel()]

    def _answer(self, batch: list[_Entry[Item, Result]]) -> None:
        try:
            results = self._run([entry.item for entry in batch])
        except Exception as error:  # noqa: BLE001  whatever the model raised belongs to those who asked
            for entry in batch:
                entry.future.set_exception(error)
            return
        for entry, result in zip(batch, results, strict=True):
            entry.future.set_result(result)

    def close(self) -> None:
        """End the thread after the batch it is at; what still waits is cancelled."""
        with self._changing:
            if self._queue is not None:
                self._queue.put(None)
                self._queue = None
