"""Responses that come one by one: what is certain to be compared is compared while others come."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import Any

from j1sdk.sharing import Work
from j1sdk.types import Judgment

Compare = Callable[[str, str], Coroutine[Any, Any, Judgment]]
"""Judges two responses, in the order shown."""


class Arriving(AbstractContextManager["Arriving"]):
    """Judgments under way of the responses to one prompt, until closed. Used on one event loop.

    Their sampling is seeded by the two responses alone, since the others are not known yet.
    """

    def __init__(self, compare: Compare, pairs: Sequence[tuple[int, int]]) -> None:
        """`pairs` are a ranking's opening, which `compare` judges in both orders."""
        self._compare, self._pairs = compare, pairs
        self._here: dict[int, str] = {}
        self._begun: dict[tuple[str, ...], Work[Judgment]] = {}

    async def arrive(self, response: str, place: int | None = None) -> None:
        """Begin what can be judged by now. Without a place, equal responses share the next."""
        if place is None and response in self._here.values():
            return
        place = len(self._here) if place is None else place
        self._here[place] = response
        for pair in self._pairs:
            if place in pair and self._here.keys() >= {*pair}:
                first, second = (self._here[one] for one in pair)
                self._begin(first, second)
                self._begin(second, first)

    def _begin(self, first: str, second: str) -> None:
        if first != second and (first, second) not in self._begun:
            self._begun[first, second] = Work(self._compare(first, second), lambda: None)

    def begun(self, shown: tuple[str, ...]) -> Work[Judgment] | None:
        """The judgment of these responses in this order, if it is under way or made."""
        return self._begun.get(shown)

    def __exit__(self, *_: object) -> None:
        """End what is still under way, which nobody will ask for any more, and begin no more."""
        self._pairs = []
        for work in self._begun.values():
            work.stop()
