"""What engines have opened: weights, connections, queues and files, beside them and not in them.

    class Remote(Engine):
        name = "remote"
        url: str
        _connection: ClassVar[Opened[Remote, Connection]] = Opened(connect, Connection.close)

        async def complete(self, conversation, sampling):
            return await self._connection.ask(conversation, sampling)

`connect(engine)` is called when `_connection` is first read, once for each engine object and each
process. So a used engine compares, hashes, pickles and copies as the options it is, a copy has
opened nothing yet, and a forked child opens its own and leaves alone what its parent has open.
What an engine object has opened is closed when the object is garbage.

Things that belong to one event loop are opened and used on the background loop
(`j1sdk.background`), of which a process has one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, Self, TypeVar, overload
from weakref import finalize

Owner = TypeVar("Owner", contravariant=True)
Thing = TypeVar("Thing")


class Opened(Generic[Owner, Thing]):
    """A thing that an engine opens, read like an attribute of the engine. Declare it a ClassVar."""

    def __init__(
        self,
        open: Callable[[Owner], Thing],
        close: Callable[[Thing], object] = lambda thing: None,
    ) -> None:
        """`close` may be called on any thread, and must not wait."""
        self._open, self.close = open, close

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Owner, kind: type) -> Thing: ...
    def __get__(self, owner: Owner | None, kind: type) -> Self | Thing:
        """The thing, opened if need be; raises what opening it raises."""
        if owner is None:
            return self
        kept = _kept_for(owner)
        with kept.lock:
            if self not in kept.things:
                kept.things[self] = self._open(owner)
            thing: Thing = kept.things[self]
        return thing

    def take(self, owner: Owner) -> Thing | None:
        """The thing if it is open, for the caller to close; the next reader opens another."""
        thing: Thing | None = _kept_for(owner).things.pop(self, None)
        return thing


class _Kept:
    """What one object has opened in one process."""

    def __init__(self) -> None:
        self.lock = RLock()  # opening a thing may open another
        self.things: dict[Opened[Any, Any], Any] = {}


_kept: dict[tuple[int, int], _Kept] = {}
"""By process and object. A forked child keeps its parent's, or letting go of it would close it."""


def _kept_for(owner: object) -> _Kept:
    place = os.getpid(), id(owner)
    if (kept := _kept.get(place)) is None:
        made = _Kept()
        kept = _kept.setdefault(place, made)  # one, of threads that come first at once
        if kept is made:
            finalize(owner, _close_all, place)
    return kept


def _close_all(place: tuple[int, int]) -> None:
    """Close what a garbage object has opened; in a forked child it is still its parent's."""
    if place[0] == os.getpid() and (kept := _kept.pop(place, None)):
        for opened, thing in kept.things.items():
            opened.close(thing)
