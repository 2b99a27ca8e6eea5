"""A group's responses that a framework hands over one by one, on any thread or event loop.

A judge that compares can score a response only among its siblings, and the mean of a group takes
all of it: each waits here until the others of its group have come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from j1sdk.adapters.scorers import Scorer
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.background import on_background
from j1sdk.sharing import Work
from j1sdk.types import Conversation

ScoreGroup = Callable[[Sequence[Item]], Awaitable[list[Outcome]]]
Key = tuple[str, Conversation]
"""The framework's name of the group, and the prompt."""


class Group:
    """Responses that have come, and the work that waits for the rest and scores all."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.whole = asyncio.Event()
        self.work: Work[list[Outcome]]


class Gathering:
    """Groups of `size` responses.

    Of one process, and not to be pickled: a group split over processes is gathered by none of them.
    """

    def __init__(self, score: ScoreGroup, size: int, wait: float) -> None:
        self._score, self._size, self._wait = score, size, wait
        self._groups: dict[Key, Group] = {}
        """Those that are not whole yet. Touched on the background loop alone."""

    async def outcome(self, item: Item) -> Outcome:
        """The response's outcome among its group's, once that is whole.

        Without a score if the others have not come after `wait` seconds: scores among fewer
        cannot be compared with those of whole groups.
        """
        return await on_background(self._joined(item))

    async def _joined(self, item: Item) -> Outcome:
        key = item.group, item.prompt
        group = self._groups.get(key) or self._begun(key)
        place = len(group.items)
        group.items.append(item)
        if len(group.items) == self._size:
            self._forget(key, group)
            group.whole.set()
        return (await group.work.wait())[place]

    def _begun(self, key: Key) -> Group:
        group = self._groups[key] = Group()
        group.work = Work(self._outcomes(group), lambda: self._forget(key, group))
        return group

    async def _outcomes(self, group: Group) -> list[Outcome]:
        try:
            async with asyncio.timeout(self._wait):
                await group.whole.wait()
        except TimeoutError:
            return [self._incomplete(group)] * len(group.items)
        return await self._score(group.items)

    def _incomplete(self, group: Group) -> Outcome:
        came = f"{len(group.items)} of the {self._size} responses of a group"
        return Outcome(None, "cohort", f"only {came} came to this process in {self._wait:g} s")

    def _forget(self, key: Key, group: Group) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]


class OneByOne:
    """Outcomes for a framework that hands over a group's responses one by one, in one process."""

    def __init__(self, scorer: Scorer, size: int, wait: float, with_mean: bool) -> None:
        """`with_mean` says that a group's mean may be asked for, which takes a whole group."""
        self._scorer, self._size, self._with_mean = scorer, size, with_mean
        self._gathering = Gathering(scorer.score, size, wait)

    async def outcome(self, item: Item) -> Outcome:
        """The response's outcome, once its group is whole where that is needed."""
        if await self.needs_group(item.reference):
            return await self._gathering.outcome(item)
        (outcome,) = await self._scorer.score([item])
        return outcome

    async def needs_group(self, reference: str | None = None) -> bool:
        """Whether the others have to come to this process before one can be scored."""
        compared = reference is None and await self._scorer.compares()
        if self._size < 2 or not (compared or self._with_mean):
            return False
        return not await self._scorer.gathers()
