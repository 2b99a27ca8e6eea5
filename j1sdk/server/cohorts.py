"""The rollouts of one prompt, which arrive one by one and are ranked together.

A pairwise judge says which of two responses is better, so a rollout has a score only among its
siblings. Trainers send each in a request of its own: the requests wait here for one another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from j1sdk.judge import RankedResponses
from j1sdk.server.metrics import Meter
from j1sdk.server.outcomes import Item, Outcome, outcome_of
from j1sdk.server.refusals import Closing
from j1sdk.sharing import Work
from j1sdk.types import Conversation

Rank = Callable[[Conversation, Sequence[str]], Awaitable[RankedResponses]]

REMEMBERED = 4096
"""Answers kept for clients that lost theirs and ask again, when no cohort is there any more."""


class Cohort:
    """Requests with one prompt. Open until it is whole or has waited enough; then ranked."""

    def __init__(self, prompt: Conversation) -> None:
        self.prompt = prompt
        self.waiting: Counter[str] = Counter()
        """How many requests wait for each response; equal rollouts each count."""
        self.ranked: Counter[str] = Counter()
        """What was waiting when it was closed."""
        self.closed = asyncio.Event()
        self.refused = False
        self.work: Work[dict[str, Outcome]]

    def has_lost(self, response: str) -> bool:
        """Whether a request for this response has hung up since: who asks now is its retry."""
        return self.waiting[response] < self.ranked[response]


class Cohorts:
    """All cohorts of a server."""

    def __init__(self, rank: Rank, size: int, wait: float, memory: float, meter: Meter) -> None:
        self._rank, self._size, self._wait, self._memory = rank, size, wait, memory
        self._meter = meter
        self._open: dict[Conversation, Cohort] = {}
        self._ranking: dict[Item, Cohort] = {}
        self._answered: dict[Item, tuple[float, Outcome]] = {}

    async def score(self, item: Item) -> Outcome:
        """The response's score among its siblings, once they are here."""
        cohort = self._seat(item)
        cohort.waiting[item.response] += 1
        if not cohort.closed.is_set() and cohort.waiting.total() >= self._size:
            self._close(cohort)
        try:
            return (await cohort.work.wait())[item.response]
        finally:
            cohort.waiting[item.response] -= 1

    def refuse(self) -> None:
        """Send away those whose siblings will not come any more, as the server is closing."""
        for cohort in list(self._open.values()):
            cohort.refused = True
            self._close(cohort)

    def _seat(self, item: Item) -> Cohort:
        """The cohort a request belongs to: one it has left, one that is open, or a new one."""
        if (known := self._ranking.get(item)) and known.has_lost(item.response):
            self._meter.shared()
            return known
        if item.prompt not in self._open:
            cohort = self._open[item.prompt] = Cohort(item.prompt)
            cohort.work = Work(self._run(cohort), lambda: self._forget(cohort))
        return self._open[item.prompt]

    def _close(self, cohort: Cohort) -> None:
        """Let nobody else in."""
        if self._open.get(cohort.prompt) is cohort:
            del self._open[cohort.prompt]
        cohort.closed.set()

    def _forget(self, cohort: Cohort) -> None:
        self._close(cohort)
        for response in cohort.ranked:
            item = Item(cohort.prompt, response)
            if self._ranking.get(item) is cohort:
                del self._ranking[item]

    async def _run(self, cohort: Cohort) -> dict[str, Outcome]:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait):
                await cohort.closed.wait()
        self._close(cohort)
        if cohort.refused:
            raise Closing("the server is closing, and no more rollouts of this prompt will come")
        cohort.ranked = +cohort.waiting
        whole = cohort.ranked.total() >= self._size
        if not whole and len(cohort.ranked) < 2:
            return {response: self._alone(cohort, response) for response in cohort.ranked}
        self._meter.cohort("whole" if whole else "incomplete")
        return await self._judged(cohort)

    async def _judged(self, cohort: Cohort) -> dict[str, Outcome]:
        self._ranking |= {Item(cohort.prompt, response): cohort for response in cohort.ranked}
        responses = list(cohort.ranked.elements())
        made = await self._rank(cohort.prompt, responses)
        scores = dict(zip(responses, made.scores, strict=True))
        outcomes = {
            response: outcome_of(score, made.judgments, 1 / len(responses))
            for response, score in scores.items()
        }
        self._remember(cohort.prompt, outcomes)
        return outcomes

    def _alone(self, cohort: Cohort, response: str) -> Outcome:
        """The answer this rollout had in a cohort of late, if its client has lost that; or none."""
        now = asyncio.get_running_loop().time()
        when, outcome = self._answered.get(Item(cohort.prompt, response), (now, None))
        if outcome and now - when < self._memory:
            self._meter.shared()
            return outcome
        self._meter.cohort("alone")
        detail = f"no other rollout of this prompt came within {self._wait:g} seconds"
        return Outcome(score=None, reason="cohort", detail=detail)

    def _remember(self, prompt: Conversation, outcomes: dict[str, Outcome]) -> None:
        now = asyncio.get_running_loop().time()
        for response, outcome in outcomes.items():
            self._answered.pop(Item(prompt, response), None)
            self._answered[Item(prompt, response)] = (now, outcome)
        while len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]
