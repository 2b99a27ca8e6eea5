"""The rollouts of one dataset row, which OpenRLHF asks for one by one and which must meet.

OpenRLHF calls an executor's `execute` n times for a row, all on one event loop, and hands all n
the same object of sampling parameters, which no other row has. By it they find each other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)
Made = TypeVar("Made")

MATE_SECONDS = 1800.0
"""How long a finished rollout waits for its siblings; OpenRLHF itself would wait for ever."""


class Siblings(Generic[Made]):
    """The n rollouts of one row, from when the first begins until the last leaves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.made: dict[int, Made] = {}
        """What each slot has to show for itself."""
        self.size = 0
        self._left: set[int] = set()
        self._complete = asyncio.Event()

    def join(self) -> int:
        """A slot of this group."""
        self.size += 1
        return self.size - 1

    def publish(self, slot: int, made: Made) -> None:
        """Show the others what a slot has made."""
        self.made[slot] = made
        self._look()

    def leave(self, slot: int) -> bool:
        """Whether this was the last to leave; who leaves empty-handed is waited for no longer."""
        self._left.add(slot)
        self._look()
        return len(self._left) == self.size

    async def everyone(self, seconds: float) -> dict[int, Made]:
        """What was made, by slot, once it is all there; or without those that are late."""
        try:
            await asyncio.wait_for(self._complete.wait(), seconds)
        except TimeoutError:
            logger.warning(
                "%s: %d of %d rollouts are late", self.name, self.size - len(self.made), self.size
            )
        return {slot: self.made[slot] for slot in sorted(self.made)}

    def _look(self) -> None:
        if len(self.made.keys() | self._left) == self.size:
            self._complete.set()


Group = TypeVar("Group", bound=Siblings[Any])


class Groups(Generic[Group]):
    """All groups that an executor has at work."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[object, Group]] = {}
        """By the key's id; the key is kept, so that nothing else can get that id."""

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def join(
        self, key: object, begin: Callable[[], Group]
    ) -> AsyncIterator[tuple[Group, int]]:
        """The group of this key and a slot in it, once all siblings have joined."""
        if id(key) not in self._open:
            self._open[id(key)] = (key, begin())
        _, group = self._open[id(key)]
        slot = group.join()
        try:
            await asyncio.sleep(0)  # all siblings are scheduled: now they join
            yield group, slot
        finally:
            if group.leave(slot):
                del self._open[id(key)]
