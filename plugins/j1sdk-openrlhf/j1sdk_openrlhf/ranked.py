"""A policy's completions of one prompt, scored together inside OpenRLHF's rollout workers.

A pairwise judge says which of two responses is better, so a completion has a score only among its
siblings. Each writes its completion with OpenRLHF's engine and waits for the others; then the
judge ranks them all, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from j1sdk.adapters.answers import final_answer, opens_thinking
from j1sdk.adapters.scores import (
    Item,
    Outcome,
    late,
    logged,
    numbers,
    score_group,
)
from j1sdk.adapters.texts import Label, without_end
from j1sdk.background import on_background
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.rankings.arriving import Arriving
from j1sdk.server import Serve
from j1sdk.types import Conversation
from j1sdk_openrlhf.agent import Trajectory, agent_class, complete, log_probs
from j1sdk_openrlhf.siblings import MATE_SECONDS, Groups, Siblings

LATE = Outcome(None, "cohort", "its siblings were ranked without it: it was late")


class Contest(Siblings[Item]):
    """The completions of one prompt."""

    def __init__(self, label: Any) -> None:
        if (told := Label.read(label)) is None:
            raise ConfigError("the label of a row has no prompt: was the file written by j1sdk?")
        super().__init__(f"prompt {told.prompt[-1].content[:40]!r}")
        self.prompt: Conversation = told.prompt
        self.arriving: Arriving | None = None
        self.ranking: asyncio.Task[dict[int, Outcome]] | None = None
        """Begun by the first completion that is there, and awaited by all."""


class RankedExecutor:
    """Rolls out and ranks; `execute` is what OpenRLHF calls."""

    def __init__(
        self, judge: JudgeRewardModel, options: Serve, mate_seconds: float = MATE_SECONDS
    ) -> None:
        self._judge, self._options, self._mate_seconds = judge, options, mate_seconds
        self._groups = Groups[Contest]()

    async def execute(
        self,
        prompt: str,
        label: Any,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """One rollout as OpenRLHF wants it; its reward is there once its siblings are.

        Raises EngineError where OpenRLHF's engine fails, since nothing stands for a completion,
        and UnscoredError where `unscored = "error"`.
        """
        async with self._groups.join(sampling_params, partial(Contest, label)) as (group, slot):
            tokens = list(hf_tokenizer(prompt, add_special_tokens=False)["input_ids"])
            output, cut = await complete(llm_engine, tokens, sampling_params, max_length)
            item = self._item(group, prompt, written(hf_tokenizer, output))
            await self._begin(group, slot, item)
            group.publish(slot, item)
            outcome = await self._outcome(group, slot)
        (reward,) = numbers([outcome], self._options.unscored)
        return rolled(tokens, output, cut).answer(prompt, label, images, reward, logged(outcome))

    async def _begin(self, group: Contest, slot: int, item: Item) -> None:
        """Have it compared with those that are there, while others are still being written."""
        if group.arriving is None:
            group.arriving = self._judge.arriving(group.prompt, group.size)
        if item.response is not None:
            await on_background(group.arriving.arrive(item.response, slot))

    async def _outcome(self, group: Contest, slot: int) -> Outcome:
        """What the one ranking of the group says of a slot."""
        if group.ranking is None:
            group.ranking = asyncio.create_task(self._rank(group))
        ranked = await asyncio.shield(group.ranking)  # a sibling that is cancelled leaves it to us
        return ranked.get(slot) or LATE

    async def _rank(self, group: Contest) -> dict[int, Outcome]:
        made = await group.everyone(self._mate_seconds)
        outcomes = await self._judged(list(made.values()), group.arriving)
        return dict(zip(made, outcomes, strict=True))

    async def _judged(self, group: Sequence[Item], arriving: Arriving | None) -> list[Outcome]:
        """Every response's score among all, before the deadline."""
        limit = self._options.deadline
        try:
            work = on_background(score_group(self._judge, group, arriving=arriving))
            return await asyncio.wait_for(work, limit)
        except TimeoutError:
            return [late(limit)] * len(group)

    def _item(self, group: Contest, rendered: str, written: str) -> Item:
        """What the judge is shown of a completion."""
        opened = opens_thinking(rendered)
        answer = final_answer(without_end(written), self._options.show_thinking, opened)
        return Item(group.prompt, answer)


def written(tokenizer: Any, output: Any) -> str:
    """What was written, with its special tokens."""
    return str(tokenizer.decode(list(output.token_ids), skip_special_tokens=False))


def rolled(tokens: list[int], output: Any, cut: bool) -> Trajectory:
    """A prompt and what was written behind it."""
    ids, probs = list(output.token_ids), log_probs(output)
    known = None if probs is None else [0.0] * len(tokens) + probs
    return Trajectory(tokens + ids, [(len(tokens), len(tokens) + len(ids))], known, cut)


def agent_executor(run_file: str | Path, base: type) -> type:
    """The class OpenRLHF loads to train a policy by a run's judge, with its [serve] table."""

    def make() -> RankedExecutor:
        from j1sdk.run import read_run

        run = read_run(Path(run_file))
        return RankedExecutor(run.judge, run.serve or Serve())

    return agent_class(base, make)
