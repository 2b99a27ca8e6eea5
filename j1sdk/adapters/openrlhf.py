"""A judge as OpenRLHF's Python reward function.

OpenRLHF calls it for one sample at a time, on up to 32 threads in every rollout worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, StrictStr

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.adapters.scores import Item, Outcome, late, logged, numbers
from j1sdk.adapters.texts import TextOptions, after_prompt, item_of
from j1sdk.background import run
from j1sdk.errors import DataError

FILE = """\
# OpenRLHF loads this by --reward.remote_url, once in every rollout worker.
from j1sdk.adapters.connection import reward_function

reward_func = reward_function({connection!r})
"""
RewardFunction = Callable[[Sequence[str], Sequence[str], Sequence[Any]], dict[str, Any]]


class OpenRLHF(Adapter, TextOptions):
    """`reward_func` of one sample after the other, a pairwise judge's against the label.

    OpenRLHF needs a number for every sample: with `error` a response without a score raises
    UnscoredError, which ends the training.
    """

    name: ClassVar[str] = "openrlhf"
    title: ClassVar[str] = "OpenRLHF"
    distribution: ClassVar[str] = "openrlhf"
    tested: ClassVar[str] = "0.11.2"
    unscored: Literal["neutral", "floor", "error"] = "error"
    """What a response without a score gets: 0.5, 0, or an UnscoredError."""
    deadline: float = Field(default=150.0, gt=0)
    """Seconds a sample may take; OpenRLHF gives up after 180."""

    def reward_function(self, scorer: Scorer) -> RewardFunction:
        return partial(self._score, scorer)

    def instructions(self, connection: Path) -> Instructions:
        if self.url is not None:
            token = f"?token=${self.token_env}" if self.token_env else ""
            return Instructions(
                where="OpenRLHF's command line; it asks the server itself",
                paste=f"--reward.remote_url {self.url}/get_reward{token}",
            )
        file = connection.with_name("j1_reward.py")
        return Instructions(
            where="OpenRLHF's command line",
            paste=f"--reward.remote_url {file}",
            files={file.name: FILE.format(connection=str(connection))},
        )

    def _score(
        self,
        scorer: Scorer,
        queries: Sequence[str],
        prompts: Sequence[str],
        labels: Sequence[Any],
    ) -> dict[str, Any]:
        outcomes = run(self._outcomes(scorer, items_of(queries, prompts, labels, self)))
        return answer(numbers(outcomes, self.unscored), outcomes)

    async def _outcomes(self, scorer: Scorer, items: Sequence[Item]) -> list[Outcome]:
        return list(await asyncio.gather(*(self._in_time(scorer, item) for item in items)))

    async def _in_time(self, scorer: Scorer, item: Item) -> Outcome:
        try:
            (outcome,) = await asyncio.wait_for(scorer.score([item]), self.deadline)
        except TimeoutError:
            return late(self.deadline)
        return outcome


def items_of(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], options: TextOptions
) -> list[Item]:
    """The items of OpenRLHF's samples, texts with all special tokens; raises DataError."""
    labels = labels or [None] * len(queries)
    if not len(queries) == len(prompts) == len(labels):
        raise DataError("query, prompts and labels differ in length")
    return [
        item_of(prompt, after_prompt(query, prompt), label, options)
        for query, prompt, label in zip(queries, prompts, labels, strict=True)
    ]


def answer(rewards: Sequence[float], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What OpenRLHF takes for them. The keys of `extra_logs` never vary, since it stacks them."""
    made = [logged(outcome) for outcome in outcomes]
    logs = {key: [entry[key] for entry in made] for entry in made[:1] for key in entry}
    return {"rewards": rewards, "scores": rewards, "extra_logs": logs}


class Samples(Request):
    """OpenRLHF's samples, column by column."""

    query: list[StrictStr]
    prompts: list[StrictStr]
    labels: list[Any] = []


class Route(Dialect):
    """`--reward.remote_url`: texts with all special tokens, one sample at a time.

    It asks five times, 1 s apart, whatever the error, and then training ends.
    """

    name: ClassVar[str] = "openrlhf"
    path: ClassVar[str] = "/get_reward"
    request: ClassVar[type[Request]] = Samples
    title: ClassVar[str] = "OpenRLHF"
    hint: ClassVar[str] = "--reward.remote_url {url}"

    def items(self, request: Samples, options: TextOptions) -> list[Item]:
        return items_of(request.query, request.prompts, request.labels, options)

    def answer(
        self, request: Samples, rewards: Sequence[float], outcomes: Sequence[Outcome]
    ) -> Any:
        return answer(rewards, outcomes)
