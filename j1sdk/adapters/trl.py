"""A judge as a TRL reward function, for GRPOTrainer and RLOOTrainer.

TRL wants a plain function with a `__name__` of its own (a callable object had none before 1.9),
calls it with keyword arguments only, and takes None for a row that has no reward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from j1sdk.adapters import Unscored, settle, unscored_rate
from j1sdk.background import run
from j1sdk.errors import ConfigError
from j1sdk.types import Conversation, Message

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel

Rewards = list[float | None]
TRLRewardFunction = Callable[..., Rewards] | Callable[..., Awaitable[Rewards]]
Item = tuple[Conversation, str]


def trl_reward_function(
    judge: JudgeRewardModel,
    unscored: Unscored = "none",
    name: str | None = None,
    group_size: int | None = None,
    asynchronous: bool = False,
) -> TRLRewardFunction:
    """A function TRL takes in `reward_funcs`.

    A pointwise judge scores each completion. A pairwise judge compares each with the dataset's
    `reference` column if it has one, and otherwise ranks the completions of a prompt against each
    other. `group_size` (TRL's num_generations), where given, is checked: half a group is never
    ranked. A group split over processes is gathered first. `asynchronous` gives a coroutine
    function, which TRL runs beside other asynchronous rewards.
    """

    async def score(
        prompts: Sequence[Any], completions: Sequence[Any], reference: Sequence[str] | None = None,
        log_metric: Callable[[str, float], None] | None = None, **_: Any,
    ) -> Rewards:  # fmt: skip
        asked = [as_conversation(prompt) for prompt in prompts]
        written = [last_text(completion) for completion in completions]
        scores = await _scores(judge, asked, written, reference, group_size)
        if log_metric:
            log_metric(f"{reward.__name__}/unscored_rate", unscored_rate(scores))
        return settle(scores, unscored)

    def score_now(**batch: Any) -> Rewards:
        return run(score(**batch))

    reward = score if asynchronous else score_now
    reward.__name__ = name or "judge_" + judge.format.name.replace("-", "_")
    return reward


async def _scores(
    judge: JudgeRewardModel, prompts: Sequence[Conversation], responses: Sequence[str],
    references: Sequence[str] | None, group_size: int | None,
) -> Rewards:  # fmt: skip
    if judge.format.arity == 1 or references is not None:
        return await judge.score_async(prompts, responses, references)
    batches = gather(list(zip(prompts, responses, strict=True)))
    share, own = place_in_world(batches)
    groups = group_by_prompt([item for batch in batches for item in batch], group_size)
    ranked = await _rank(judge, groups[own::share])
    scores = {key: value for part in gather(list(ranked.items())) for key, value in part}
    return [scores[item] for item in zip(prompts, responses, strict=True)]


async def _rank(
    judge: JudgeRewardModel, groups: Sequence[Sequence[Item]]
) -> dict[Item, float | None]:
    """Scores of the completions of each group; equal ones share a score."""
    asked = [judge.rank_async(group[0][0], [text for _, text in group]) for group in groups]
    ranked = await asyncio.gather(*asked)
    return {
        item: score
        for group, result in zip(groups, ranked, strict=True)
        for item, score in zip(group, result.scores, strict=True)
    }


def group_by_prompt(items: Sequence[Item], group_size: int | None) -> list[list[Item]]:
    """The completions of each prompt; raises ConfigError where a group is not whole."""
    groups: dict[Conversation, list[Item]] = {}
    for item in items:
        groups.setdefault(item[0], []).append(item)
    for group in groups.values():
        if len(group) < 2 or (group_size and len(group) % group_size):
            raise ConfigError(
                f"a pairwise judge ranks all {group_size or 'the'} completions of a prompt"
                f" together, but the batch holds {len(group)} of one: make the batch a multiple of"
                " num_generations, give the dataset a `reference` column, or use a pointwise judge"
            )
    return list(groups.values())


def gather(own: list[Any]) -> list[list[Any]]:
    """Every process's list, in the order of their ranks; just `own` outside distributed runs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return [own]
    everyone: list[list[Any]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(everyone, own)
    return everyone


def place_in_world(batches: Sequence[Any]) -> tuple[int, int]:
    """How many processes there are, and which of them this is."""
    import torch.distributed as dist

    return len(batches), dist.get_rank() if len(batches) > 1 else 0


def as_conversation(prompt: Any) -> Conversation:
    """TRL's prompt, a string or messages, as a conversation."""
    if isinstance(prompt, str):
        return (Message(role="user", content=prompt),)
    return tuple(Message(role=one["role"], content=one["content"]) for one in prompt)


def last_text(completion: Any) -> str:
    """TRL's completion, a string or messages, as the text of its last message."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"] or "")
