"""What a framework hands over one by one and is worked on in groups, on any thread or event loop.

A judge that compares can score a response only among its siblings, and the mean of a group takes
all of it: each waits here until the others of its group have come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from j1sdk.adapters.scorers import Scorer
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.background import on_background
from j1sdk.sharing import Work

Member = TypeVar("Member")
Made = TypeVar("Made")


class Group(Generic[Member, Made]):
    """Members that have come, and the work that waits for the rest and is done on all."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.whole = asyncio.Event()
        self.work: Work[Sequence[Made]]


class Gathered(Generic[Member, Made]):
    """Groups of `size` members, each with something made for it once its group is whole.

    Of one process, and not to be pickled: a group split over processes is gathered by none of them.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Member]], Awaitable[Sequence[Made]]],
        size: int,
        wait: float,
        late: Callable[[int], Made],
    ) -> None:
        """`late` says what each of so few gets, when the others have not come after `wait` s."""
        self._make, self._size, self._wait, self._late = make, size, wait, late
        self._groups: dict[Hashable, Group[Member, Made]] = {}
        """Those that are not whole yet. Touched on the background loop alone."""

    async def join(self, key: Hashable, member: Member) -> Made:
        """What is made for a member of the group of this key; raises what `make` and `late` do."""
        return await on_background(self._joined(key, member))

    async def _joined(self, key: Hashable, member: Member) -> Made:
        group = self._groups.get(key) or self._begun(key)
        place = len(group.members)
        group.members.append(member)
        if len(group.members) == self._size:
            self._forget(key, group)
            group.whole.set()
        return (await group.work.wait())[place]

    def _begun(self, key: Hashable) -> Group[Member, Made]:
        group = self._groups[key] = Group()
        group.work = Work(self._made(group), lambda: self._forget(key, group))
        return group

    async def _made(self, group: Group[Member, Made]) -> Sequence[Made]:
        try:
            async with asyncio.timeout(self._wait):
                await group.whole.wait()
        except TimeoutError:
            came = len(group.members)
            return [self._late(came)] * came
        return await self._make(group.members)

    def _forget(self, key: Hashable, group: Group[Member, Made]) -> None:
        if self._groups.get(key) is group:
            del self._groups[key]


class Gathering(Gathered[Item, Outcome]):
    """Responses, in groups by the framework's name of the group and the prompt.

    Without a score if the group does not come together: scores among fewer cannot be compared with
    those of whole groups.
    """

    def __init__(
        self, score: Callable[[Sequence[Item]], Awaitable[list[Outcome]]], size: int, wait: float
    ) -> None:
        def late(came: int) -> Outcome:
            few = f"{came} of the {size} responses of a group"
            return Outcome(None, "cohort", f"only {few} came to this process in {wait:g} s")

        super().__init__(score, size, wait, late)

    async def outcome(self, item: Item) -> Outcome:
        """The response's outcome among its group's, once that is whole."""
        return await self.join((item.group, item.prompt), item)


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
