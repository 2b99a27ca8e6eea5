"""The rollouts of one prompt, which arrive one by one and are ranked together.

A pairwise judge says which of two responses is better, so a rollout has a score only among its
siblings. Trainers send each in a request of its own: the requests wait here for one another. Those
of two trainers with one prompt are told apart by the name of a group, where they send one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from j1sdk.adapters.scores import Item, Outcome
from j1sdk.rankings.arriving import Arriving
from j1sdk.server.gate import Closing, Overfull
from j1sdk.server.metrics import Meter
from j1sdk.server.options import Serve
from j1sdk.sharing import Work
from j1sdk.types import Conversation

Rank = Callable[[Sequence[Item], Arriving], Awaitable[list[Outcome]]]
Key = tuple[str, Conversation]
"""The group's name, where there is one, and the prompt."""

REMEMBERED = 4096
"""Answers kept for clients that lost theirs and ask again, when no cohort is there any more."""
HANG_UP_SECONDS = 0.05
"""For a hang-up to be noticed: a client that asks again may be here before its old connection is
known to be closed, and must not count twice."""


class Cohort:
    """Requests of one group with one prompt: open until it is whole or has waited enough."""

    def __init__(self, arriving: Arriving) -> None:
        self.arriving = arriving
        self.waiting: Counter[Item] = Counter()
        """How many requests wait for each response; equal rollouts each count."""
        self.ranked: Counter[Item] = Counter()
        """What was waiting when it was closed."""
        self.open = True
        self.full = asyncio.Event()
        self.refused = False
        self.work: Work[dict[Item, Outcome]]

    def has_lost(self, item: Item) -> bool:
        """Whether a request for this response has hung up since: who asks now is its retry."""
        return self.waiting[item] < self.ranked[item]

    def has_equals(self) -> bool:
        """Whether two wait for one response: one of them may be the other's retry."""
        return self.waiting.total() > len(+self.waiting)


class Cohorts:
    """All cohorts of a server."""

    def __init__(
        self, rank: Rank, arriving: Callable[[Conversation], Arriving], options: Serve, meter: Meter
    ) -> None:
        self._rank, self._arriving, self._meter = rank, arriving, meter
        self._size, self._wait = options.cohort or 0, options.cohort_wait
        self._memory = options.deadline
        self._cohorts: dict[Key, Cohort] = {}
        """Those that are open or being ranked."""
        self._answered: dict[Item, tuple[float, Outcome]] = {}

    async def score(self, item: Item) -> Outcome:
        """The response's score among its siblings, once they are here; raises Overfull."""
        cohort = await self._seat(item)
        cohort.waiting[item] += 1
        if cohort.open and item.response is not None:
            await cohort.arriving.arrive(item.response)
        if cohort.waiting.total() >= self._size:
            cohort.full.set()
        try:
            return (await cohort.work.wait())[item]
        finally:
            cohort.waiting[item] -= 1

    def refuse(self) -> None:
        """Send away those whose siblings will not come any more, as the server is closing."""
        for cohort in self._cohorts.values():
            cohort.refused = True
            cohort.full.set()

    async def _seat(self, item: Item) -> Cohort:
        """The cohort a request belongs to: one it has left, one that is open, or a new one."""
        if cohort := self._place_for(item):
            return cohort
        await asyncio.sleep(HANG_UP_SECONDS)
        if cohort := self._place_for(item):
            return cohort
        raise self._overfull()

    def _place_for(self, item: Item) -> Cohort | None:
        key = (item.group, item.prompt)
        if (cohort := self._cohorts.get(key)) is None:
            cohort = self._cohorts[key] = Cohort(self._arriving(item.prompt))
            cohort.work = Work(self._run(cohort), lambda: self._forget(key, cohort))
        if not cohort.open:
            if not cohort.has_lost(item):
                return None
            self._meter.shared()
            return cohort
        room = cohort.waiting.total() < self._size or cohort.waiting[item] or cohort.has_equals()
        return cohort if room else None

    def _forget(self, key: Key, cohort: Cohort) -> None:
        if self._cohorts.get(key) is cohort:
            del self._cohorts[key]

    def _overfull(self) -> Overfull:
        return Overfull(
            f"more than {self._size} rollouts of one prompt at once: name the group of each, by the"
            " header X-J1-Group or ?group= in the URL, so that it is not ranked with another's"
        )

    async def _run(self, cohort: Cohort) -> dict[Item, Outcome]:
        with cohort.arriving:
            return await self._outcomes(cohort)

    async def _outcomes(self, cohort: Cohort) -> dict[Item, Outcome]:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait):
                await self._gather(cohort)
        cohort.open = False
        if cohort.refused:
            raise Closing("the server is closing, and no more rollouts of this prompt will come")
        cohort.ranked = +cohort.waiting
        count = cohort.ranked.total()
        if count > self._size:
            raise self._overfull()
        if count < self._size and len(cohort.ranked) < 2:
            return {item: self._alone(item) for item in cohort.ranked}
        self._meter.cohort("whole" if count == self._size else "incomplete")
        return await self._judged(list(cohort.ranked.elements()), cohort.arriving)

    async def _gather(self, cohort: Cohort) -> None:
        """Return once the cohort is whole, and stays so."""
        while True:
            await cohort.full.wait()
            if not cohort.refused and cohort.has_equals():
                await asyncio.sleep(HANG_UP_SECONDS)
            if cohort.refused or cohort.waiting.total() >= self._size:
                return
            cohort.full.clear()

    async def _judged(self, items: Sequence[Item], arriving: Arriving) -> dict[Item, Outcome]:
        outcomes = dict(zip(items, await self._rank(items, arriving), strict=True))
        self._remember(outcomes)
        return outcomes

    def _alone(self, item: Item) -> Outcome:
        """The answer this rollout had in a cohort of late, if its client has lost that; or none."""
        now = asyncio.get_running_loop().time()
        when, outcome = self._answered.get(item, (now, None))
        if outcome and now - when < self._memory:
            self._meter.shared()
            return outcome
        self._meter.cohort("alone")
        detail = f"no other rollout of this prompt came within {self._wait:g} seconds"
        return Outcome(score=None, reason="cohort", detail=detail)

    def _remember(self, outcomes: dict[Item, Outcome]) -> None:
        now = asyncio.get_running_loop().time()
        for item, outcome in outcomes.items():
            self._answered.pop(item, None)
            self._answered[item] = (now, outcome)
        while len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]
