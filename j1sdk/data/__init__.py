"""Where judgment tasks come from.

A source is a component with one method, `tasks()`, that yields `JudgmentTask`s in a fixed order.
Bad records raise `DataError` naming the file, line and field.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

from pydantic import Field

from j1sdk.component import Component
from j1sdk.types import JudgmentTask


class Source(Component):
    """Where judgment tasks come from."""

    kind: ClassVar[str] = "sources"
    limit: int | None = Field(default=None, ge=1)
    """Take only the first so many."""

    @abstractmethod
    def tasks(self) -> Iterator[JudgmentTask]:
        """All tasks, in the same order each time; raises DataError."""

    def load(self) -> list[JudgmentTask]:
        """The tasks up to `limit`."""
        return list(islice(self.tasks(), self.limit))
