"""An engine in front of another: that one, but for how it is asked."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

from j1sdk.engines import Engine
from j1sdk.types import Sampling


class WrappingEngine(Engine):
    """What an engine says of itself, it says of the one it asks."""

    engine: Engine
    """What is asked."""

    identity: ClassVar[Any] = property(attrgetter("engine.identity"))
    reserved: ClassVar[Any] = property(attrgetter("engine.reserved"))
    continues: ClassVar[Any] = property(attrgetter("engine.continues"))
    local: ClassVar[Any] = property(attrgetter("engine.local"))
    label: ClassVar[Any] = property(attrgetter("engine.label"))

    def accept(self, sampling: Sampling) -> None:
        self.engine.accept(sampling)

    def save(self, directory: Path) -> Engine:
        """The engine behind it, saved: the way to it is no part of a judge."""
        return self.engine.save(directory)
