from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from j1sdk.engines.batching import Batcher


class Upper:
    """Shouts words back in batches, and remembers them."""

    def __init__(self, batch_size: int = 8, key: Callable[[str], Hashable] = bool) -> None:
        self.batches: list[list[str]] = []
        self.free = threading.Event()
        self.free.set()
        self.batcher: Batcher[str, str] = Batcher(self.run, key, len, batch_size)

    def run(self, words: Sequence[str]) -> list[str]:
        self.batches.append(list(words))
        self.free.wait(10)
        if "bad" in words:
            raise ArithmeticError("bad")
        return [word.upper() for word in words]

    async def occupy(self) -> asyncio.Future[str]:
        """Keep the thread at a batch of its own until `free` is set."""
        self.free.clear()
        first = asyncio.ensure_future(self.batcher.submit("first"))
        while not self.batches:
            await asyncio.sleep(0.001)
        return first

    async def ask(self, *words: str) -> list[str | BaseException]:
        """Ask for words while the thread is busy, so that chance has no say in the batches."""
        first = await self.occupy()
        asked = [asyncio.ensure_future(self.batcher.submit(word)) for word in words]
        await asyncio.sleep(0.01)
        self.free.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)


def test_what_was_asked_for_meanwhile_is_one_batch_and_everyone_gets_their_own() -> None:
    upper = Upper()
    assert asyncio.run(upper.ask("a", "bb", "c")) == ["A", "BB", "C"]
    assert upper.batches == [["first"], ["bb", "a", "c"]]


def test_batches_are_no_larger_than_the_size_and_longest_first() -> None:
    upper = Upper(batch_size=2)
    asyncio.run(upper.ask("a", "dddd", "ccc", "bb"))
    assert upper.batches[1:] == [["dddd", "ccc"], ["bb", "a"]]


def test_only_equal_keys_share_a_batch() -> None:
    upper = Upper(key=lambda word: word[0])
    asyncio.run(upper.ask("a1", "b1", "a2", "b2"))
    assert upper.batches[1:] == [["a1", "a2"], ["b1", "b2"]]


def test_a_failure_reaches_those_in_the_batch_and_nobody_else() -> None:
    upper = Upper(key=len)
    bad, two, other = asyncio.run(upper.ask("bad", "two", "other"))
    assert isinstance(bad, ArithmeticError)
    assert isinstance(two, ArithmeticError)
    assert other == "OTHER"
    assert asyncio.run(upper.batcher.submit("again")) == "AGAIN"


def test_several_event_loops_share_a_batcher() -> None:
    upper = Upper()

    def ask(word: str) -> str:
        return asyncio.run(upper.batcher.submit(word))

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, ("a", "b", "c"))) == ["A", "B", "C"]


def test_what_nobody_waits_for_any_more_is_not_run() -> None:
    upper = Upper()

    async def give_up() -> None:
        first = await upper.occupy()
        asked = asyncio.ensure_future(upper.batcher.submit("given up"))
        await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.sleep(0.01)
        upper.free.set()
        await first

    asyncio.run(give_up())
    assert asyncio.run(upper.batcher.submit("last")) == "LAST"
    assert upper.batches == [["first"], ["last"]]


def test_closing_finishes_the_batch_cancels_the_rest_and_can_be_followed_by_more() -> None:
    upper = Upper()

    async def close() -> None:
        first = await upper.occupy()
        waiting = asyncio.ensure_future(upper.batcher.submit("waiting"))
        await asyncio.sleep(0.01)
        upper.batcher.close()
        upper.free.set()
        assert await first == "FIRST"
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(close())
    assert asyncio.run(upper.batcher.submit("more")) == "MORE"


def test_closing_what_was_never_used_or_is_closed_is_nothing() -> None:
    upper = Upper()
    upper.batcher.close()
    upper.batcher.close()
    assert asyncio.run(upper.batcher.submit("a")) == "A"
