"""Engines, rewards, rankings and sources that break their contract, each in one way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from j1sdk import (
    Completion,
    Conversation,
    JudgmentFormat,
    JudgmentTask,
    Message,
    Ranking,
    Sampling,
    Scripted,
    Source,
)
from j1sdk.data import Demonstration, JudgmentPreference
from j1sdk.errors import ConfigError
from j1sdk.rankings import JudgePairs
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.testing import (
    example_tasks,
)


class Talker(Scripted):
    """Keeps the contract; subclasses break it."""

    name = "talker"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        answer = " ".join(message.content for message in conversation)
        return await Scripted(answers=(f"Well, {answer} " * 5,)).complete(conversation, sampling)


class Rewriting(Talker):
    """What it would have written, with some fields changed."""

    name = "rewriting"
    changes: dict[str, Any] = {}

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        return written.model_copy(update=self.changes)


class MixingUp(Talker):
    name = "mixing-up"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._asked.append(conversation)
        return await super().complete(self._asked[len(self._asked) // 2], sampling)


class Parrot(Talker):
    name = "parrot"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        return written.model_copy(update={"text": conversation[-1].content + written.text})


class DropsTheLast(Talker):
    name = "drops-the-last"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await super().complete(conversation[:1], sampling)


class Changed(Talker):
    """Asks with another sampling than it was given."""

    name = "changed"
    update: dict[str, Any] = {}

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await super().complete(conversation, sampling.model_copy(update=self.update))


class CutsTheStopString(Talker):
    name = "cuts-the-stop-string"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        for stop in sampling.stop:
            written = written.model_copy(update={"text": written.text.removesuffix(stop)})
        return written


class KeepsCount(Talker):
    """Holds what it has opened among its own attributes."""

    name = "keeps-count"
    _number: list[int] = PrivateAttr(default_factory=list)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._number.append(1)
        return await super().complete(conversation, sampling)


class NeverTheSame(Talker):
    name = "never-the-same"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._asked.append(conversation)
        counted = Message(role="user", content=f"number {len(self._asked)}")
        return await super().complete((counted, *conversation), sampling)


class NeverTheSameWhenGreedy(NeverTheSame):
    name = "never-the-same-when-greedy"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if sampling.temperature:
            return await Talker().complete(conversation, sampling)
        return await super().complete(conversation, sampling)


class Raising(Talker):
    name = "raising"
    error: Any = Field(default=None, exclude=True)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if len(conversation[0].content) > 10_000:
            raise self.error
        return await super().complete(conversation, sampling)


class Correctness(VerdictCorrectness):
    """Ours, to be broken."""

    name = "correctness"


class OneTooFew(Correctness):
    name = "one-too-few"

    def grade(self, *graded: Any) -> list[float]:
        return super().grade(*graded)[1:]


class NotFinite(Correctness):
    name = "not-finite"

    def grade(self, *graded: Any) -> list[float]:
        return [reward or math.nan for reward in super().grade(*graded)]


class ByPlace(Correctness):
    name = "by-place"
    scope: ClassVar[Literal["judgment", "task"]] = "task"

    def grade(self, *graded: Any) -> list[float]:
        return [reward / (place + 1) for place, reward in enumerate(super().grade(*graded))]


class ByNeighbour(Correctness):
    """Pairs rollout i with what comes before it in the list, whatever that is."""

    name = "by-neighbour"

    def grade(self, *graded: Any) -> list[float]:
        alone = super().grade(*graded)
        before = [alone[0], *alone[:-1]]
        return [a * b if len(alone) > 1 else a for a, b in zip(alone, before, strict=True)]


class Centred(Correctness):
    """Says that it looks at one rollout, and looks at all."""

    name = "centred"

    def grade(self, *graded: Any) -> list[float]:
        rewards = super().grade(*graded)
        return [reward - sum(rewards) / len(rewards) for reward in rewards]


class Weighing(Correctness):
    name = "weighing"

    def grade(self, *graded: Any) -> list[float]:
        return [self.weight * reward for reward in super().grade(*graded)]


class TakesEverything(Correctness):
    name = "takes-everything"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        return


class TakesNothing(Correctness):
    name = "takes-nothing"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        raise ConfigError("no")


class TakesOneOrder(VerdictConsistency):
    name = "takes-one-order"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        super().check(format, "both")


class RankingOf(Ranking):
    """Round robin with its scores, its pairs or its judgments changed."""

    name = "ranking-of"
    scores: Any = Field(default=None, exclude=True)
    pairs: Any = Field(default=None, exclude=True)

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        if self.pairs:
            await judge(self.pairs(count))
        ranked = await RoundRobin().rank(count, judge)
        return tuple(self.scores(ranked)) if self.scores else ranked


class FailedIsLost(Ranking):
    name = "failed-is-lost"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(itertools.permutations(range(count), 2))
        verdicts = [judgment.verdict() for judgment in await judge(pairs)]
        return tuple(verdicts.count(place) / (2 * count - 2) for place in range(count))


class OneOrder(Ranking):
    name = "one-order"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(itertools.combinations(range(count), 2))
        verdicts = [judgment.verdict() for judgment in await judge(pairs)]
        return tuple(verdicts.count(place) / (count - 1) for place in range(count))


class Lazy(Ranking):
    name = "lazy"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        return (0.5,) * count


class OpensAlone(Lazy):
    """Opens with pairs that it never has judged."""

    name = "opens-alone"

    def opening(self, count: int) -> list[tuple[int, int]]:
        return [(0, 1)]


class Pairs(Source):
    """Tasks from a list, which subclasses spoil."""

    name = "pairs"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield from example_tasks()


class Restless(Pairs):
    name = "restless"
    seed: list[int] = Field(default=[0], exclude=True)

    def tasks(self) -> Iterator[JudgmentTask]:
        self.seed[0] += 1
        for number in range(3):
            yield JudgmentTask.from_pair(f"{self.seed[0]} {number}?", "yes", "no")


class Single(Pairs):
    name = "single"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield example_tasks()[0]


class NoTasks(Pairs):
    name = "no-tasks"

    def tasks(self) -> Iterator[Any]:
        yield from [{"prompt": "?"}, {"prompt": "!"}]


class Repeating(Pairs):
    name = "repeating"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield from (*example_tasks(), example_tasks()[0])


class Unlimited(Pairs):
    name = "unlimited"

    def load(self) -> list[JudgmentTask]:
        return list(self.tasks())


class Misleading(Pairs):
    name = "misleading"

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        for example in super().demonstrations(format, seed):
            yield example.model_copy(update={"answer": format.write((1.0, 0.0))})


class Reversed(Pairs):
    name = "reversed"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen})


class Indifferent(Pairs):
    name = "indifferent"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"rejected": pair.chosen})


class Mumbling(Pairs):
    """Rejects what is no judgment at all: that is fine."""

    name = "mumbling"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"rejected": "hm"})
