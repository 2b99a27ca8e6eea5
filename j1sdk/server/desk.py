"""The server without HTTP: takes items, judges them together, and answers each in time.

Requests wait for no batch: whatever is asked goes to the engine at once, and the engine makes its
batches of all that is in flight. Equal items in flight are judged once. Whoever stops waiting
leaves the others their judgment; a judgment that nobody waits for is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TypeVar

from j1sdk.adapters.scores import (
    Item,
    Outcome,
    is_ranked,
    late,
    score_alone,
    score_group,
    with_group_mean,
)
from j1sdk.background import all_at_once
from j1sdk.deliberation import question
from j1sdk.errors import EngineError
from j1sdk.judge import JudgeRewardModel, RankedResponses
from j1sdk.rankings.arriving import Arriving
from j1sdk.server.cohorts import Cohorts
from j1sdk.server.gate import Busy, Closing, TooLarge, Unreadable
from j1sdk.server.metrics import Meter
from j1sdk.server.options import Serve
from j1sdk.sharing import Sharing
from j1sdk.types import (
    Conversation,
    JudgeResult,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    presentations,
)

FEW_TOKENS = 16
PAUSES = (0.5, 1, 2, 5, 10)
"""Seconds between the tries of a warm-up; the last is repeated."""

Result = TypeVar("Result")
Verdict = JudgeResult | RankedResponses


class Desk:
    """A judge at work for many clients."""

    def __init__(self, judge: JudgeRewardModel, options: Serve) -> None:
        self.judge, self.options = judge, options
        self.pending = 0
        """Responses being judged."""
        self.ready = self.closing = False
        self.trouble: list[str] = []
        """What the engine complained of when last asked, until it answers."""
        self.failure: BaseException | None = None
        """What makes judging impossible; the server ends with it."""
        self.meter = Meter(lambda: self.pending, lambda: self.ready and not self.closing)
        self._items = Sharing[Item, Outcome](self.meter.shared)
        self._groups = Sharing[tuple[Item, ...], list[Outcome]](self.meter.shared)
        self._tasks = Sharing[JudgmentTask, Verdict](self.meter.shared)
        self._cohorts = (
            Cohorts(self._ranked, self._arriving, options, self.meter) if options.cohort else None
        )

    async def score(self, items: Sequence[Item]) -> list[Outcome]:
        """What becomes of each item, all judged at once; raises a Refusal."""
        for item in items:
            self._fits(item.prompt, (item.response, item.reference))
            if self.judge.format.arity == 2 and item.reference is None and not self._cohorts:
                raise Unreadable(
                    f"{self.judge.format.name} compares responses: send a reference answer as the"
                    " label, start the server with --cohort N, or use /v1/judge"
                )
        with self._admitted(len(items)):
            return await all_at_once(self._outcome, items)

    async def score_together(self, items: Sequence[Item]) -> list[Outcome]:
        """What becomes of each response of one request; raises a Refusal.

        Where the judge compares responses with each other, they are a whole group.
        """
        if not is_ranked(self.judge, items):
            return with_group_mean(await self.score(items))
        if len({item.prompt for item in items}) > 1:
            raise Unreadable(
                "responses that are ranked together need one prompt: send others apart"
            )
        for item in items:
            self._fits(item.prompt, (item.response, None))
        group = tuple(items)
        with self._admitted(len(group)):
            waiting = self._groups.get(group, lambda: self._ranked(group))
            outcomes = await self._in_time(waiting) or [late(self.options.deadline)] * len(group)
        for outcome in outcomes:
            self.meter.answered(outcome)
        return outcomes

    async def judge_task(self, task: JudgmentTask) -> Verdict | None:
        """All judgments of a task; None where the deadline came first. Raises a Refusal."""
        self._fits(task.prompt, (*task.responses, task.reference))
        with self._admitted(len(task.responses)):
            return await self._in_time(self._tasks.get(task, lambda: self._verdict(task)))

    def close(self) -> None:
        """Take nothing new; what was accepted is still answered."""
        self.closing = True
        if self._cohorts:
            self._cohorts.refuse()

    @contextmanager
    def _admitted(self, count: int) -> Iterator[None]:
        """A place for so many responses; raises Closing, TooLarge or Busy where there is none."""
        most = self.options.max_pending
        if self.closing:
            raise Closing("the server is closing")
        if count > most:
            raise TooLarge(f"{count} responses in one request; max_pending is {most}")
        if self.pending + count > most:
            raise Busy(f"{self.pending} responses are being judged; max_pending is {most}")
        self.pending += count
        try:
            yield
        finally:
            self.pending -= count

    def _fits(self, prompt: Conversation, texts: Sequence[str | None]) -> None:
        """Raise TooLarge for a text that is too long."""
        asked = sum([len(message.content) for message in prompt])
        longest = max(asked, *[len(text or "") for text in texts])
        if longest > self.options.max_chars:
            raise TooLarge(f"a text of {longest} characters; max_chars is {self.options.max_chars}")

    async def _outcome(self, item: Item) -> Outcome:
        if self._cohorts:
            waiting = self._cohorts.score(replace(item, reference=None))
        else:
            waiting = self._items.get(item, lambda: score_alone(self.judge, item, self._note))
        outcome = await self._in_time(waiting) or late(self.options.deadline)
        self.meter.answered(outcome)
        return outcome

    async def _in_time(self, waiting: Awaitable[Result]) -> Result | None:
        """The result, or None once the deadline has come."""
        try:
            async with asyncio.timeout(self.options.deadline) as limit:
                return await waiting
        except TimeoutError:
            if limit.expired():
                return None
            raise

    def _arriving(self, prompt: Conversation) -> Arriving:
        return self.judge.arriving(prompt, self.options.cohort or 0)

    async def _ranked(
        self, group: Sequence[Item], arriving: Arriving | None = None
    ) -> list[Outcome]:
        return await score_group(self.judge, group, self._note, arriving)

    async def _verdict(self, task: JudgmentTask) -> Verdict:
        if self.judge.format.arity == 2 and len(task.responses) > 2:
            ranked = await self.judge.rank_async(task.prompt, task.responses)
            distinct = tuple(dict.fromkeys(task.responses))  # what the judgments' orders count
            self._note(task.prompt, distinct, ranked.judgments)
            return ranked
        (result,) = await self.judge.judge_async([task])
        self._note(task.prompt, task.responses, result.judgments)
        return result

    def _note(
        self, prompt: Conversation, responses: Sequence[str], judgments: Sequence[Judgment]
    ) -> None:
        self.meter.judged(prompt, responses, judgments)
        if any(judgment.status is not JudgmentStatus.ENGINE_ERROR for judgment in judgments):
            self.ready = True  # which the warm-up may still be waiting to see


@asynccontextmanager
async def warming(desk: Desk) -> AsyncIterator[None]:
    """While the server runs: warm up beside its first requests, and let go of the engine after."""
    task = asyncio.create_task(warm_up(desk))
    task.add_done_callback(lambda done: _note_failure(done, desk))
    try:
        yield
    finally:
        task.cancel()
        await desk.judge.engine.close()


async def warm_up(desk: Desk) -> None:
    """Return once the engine has answered; an engine out of reach is asked again."""
    tries = 0
    while desk.options.warm_up and not desk.ready:
        try:
            await _ask(desk)
            break
        except EngineError as error:
            desk.trouble = [str(error)]
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
    desk.trouble, desk.ready = [], True


async def _ask(desk: Desk) -> None:
    """Have the engine begin a judgment."""
    judge = desk.judge
    task = JudgmentTask(prompt="2 + 2?", responses=("4", "5"))
    shown = presentations(task, judge.format.arity)[0]
    few = {"max_new_tokens": min(FEW_TOKENS, judge.sampling.max_new_tokens)}
    sampling = judge.sampling.model_copy(update=few)
    await judge.engine.complete(question(judge.format, shown, judge.engine.reserved), sampling)


def _note_failure(done: asyncio.Task[None], desk: Desk) -> None:
    """Anything but an engine out of reach will not go away: no model there, a broken plugin."""
    if not done.cancelled() and (error := done.exception()):
        desk.failure = error
        desk.close()
