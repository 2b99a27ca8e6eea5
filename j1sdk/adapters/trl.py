"""A judge as a TRL reward function, for GRPOTrainer and RLOOTrainer.

TRL calls it with keyword arguments only, logs it by its `__name__`, takes None for a row that has
no reward, and may pickle it (asynchronous GRPO does): so it is an object, and not a closure.

A group is `num_generations` rows that follow each other, in the order of the processes' ranks, as
TRL's own advantages count them; equal prompts may be several groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from pydantic import Field, model_validator

from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.answers import conversation, final_answer, opens_thinking, reference_answer
from j1sdk.adapters.scores import (
    UNSCORED_RATE,
    Item,
    Outcome,
    settled,
    unscored_rate,
)
from j1sdk.background import run
from j1sdk.errors import ConfigError, DataError, J1Error

Rewards = list[float | None]
Batch = dict[str, Any]
"""What TRL hands over: prompts, completions, and the dataset's other columns."""
Result = TypeVar("Result")


class TRL(Adapter):
    """A function for `reward_funcs`.

    A pointwise judge scores each completion. A pairwise judge compares each with the dataset's
    `reference` column if it has one, and otherwise ranks the completions of a group against each
    other. A group split over processes is gathered first.
    """

    name: ClassVar[str] = "trl"
    title: ClassVar[str] = "TRL"
    distribution: ClassVar[str] = "trl"
    tested: ClassVar[str] = "1.16.0"
    one_per_worker: ClassVar[bool] = False
    group_size: int | None = Field(default=None, ge=1)
    """TRL's num_generations; read from the trainer unless given, and checked against it."""
    online_dpo: bool = False
    """For OnlineDPOTrainer, whose batch has all prompts' first completions and then all second
    ones. Every process's batch has to hold whole groups. It makes 0 of a missing reward, and takes
    no coroutine functions, so `unscored = "drop"` and `asynchronous` are refused."""
    log_name: str | None = None
    """What TRL logs the reward as; `judge_` and the judge's format unless given."""
    asynchronous: bool = False
    """Make a coroutine function, which TRL runs beside other asynchronous rewards. It talks to no
    other process, so every process's batch has to hold whole groups. Needs TRL 1.14 or newer."""

    @model_validator(mode="after")
    def _check_trainer(self) -> Self:
        if self.online_dpo and self.unscored == "drop":
            raise ConfigError(
                'OnlineDPOTrainer makes 0 of a missing reward: set unscored = "group" (no'
                ' preference between the two), "neutral", "floor" or "error"'
            )
        if self.online_dpo and self.asynchronous:
            raise ConfigError(
                "OnlineDPOTrainer takes no coroutine function: leave asynchronous out"
            )
        return self

    def reward_function(self, scorer: Scorer) -> Reward | AsyncReward:
        return (AsyncReward if self.asynchronous else Reward)(self, scorer)


class _Judged:
    """What both forms of a reward have."""

    def __init__(self, adapter: TRL, scorer: Scorer) -> None:
        self._adapter, self._scorer = adapter, scorer
        self.__name__ = adapter.log_name or scorer.label


class Reward(_Judged):
    """What TRL calls. Processes meet in its own thread, twice and always in this order."""

    def __call__(self, **batch: Any) -> Rewards:
        adapter, scorer = self._adapter, self._scorer
        ranked = run(_is_ranked(scorer, batch))
        grouped = ranked or adapter.unscored == "group"
        size = _group_size(adapter, batch) if grouped else 1
        meet = gather if grouped and not adapter.online_dpo else _only_this
        everyone = _together(lambda: _items(adapter, batch), meet)
        items, rank = [item for part in everyone for item in part], _rank(everyone)
        mine = _groups(items, size, adapter.online_dpo)[rank :: len(everyone)]
        parts = _together(lambda: run(_score(scorer, items, mine)), meet)
        judged = {place: outcome for part in parts for place, outcome in part.items()}
        start = sum(map(len, everyone[:rank]))
        outcomes = [judged[place] for place in range(start, start + len(everyone[rank]))]
        return _rewards(adapter, outcomes, batch)


class AsyncReward(_Judged):
    """The same for this process's rows alone: TRL runs it in a thread where none may meet."""

    async def __call__(self, **batch: Any) -> Rewards:
        adapter = self._adapter
        ranked = await _is_ranked(self._scorer, batch)
        grouped = ranked or adapter.unscored == "group"
        items = _items(adapter, batch)
        groups = _groups(items, _group_size(adapter, batch) if grouped else 1, adapter.online_dpo)
        judged = await _score(self._scorer, items, groups)
        return _rewards(adapter, [judged[place] for place in range(len(items))], batch)


async def _is_ranked(scorer: Scorer, batch: Batch) -> bool:
    """Whether responses are compared with each other; the same in every process."""
    return batch.get("reference") is None and await scorer.compares()


def _items(adapter: TRL, batch: Batch) -> list[Item]:
    """This process's rows; raises DataError naming the column and the row."""
    prompts, completions = batch["prompts"], batch["completions"]
    references = batch.get("reference") or [None] * len(prompts)
    opened = bool(prompts) and _opens_thinking(prompts[0], _trainer(batch))
    columns = zip(prompts, completions, references, strict=True)
    return [_item(adapter, row, values, opened) for row, values in enumerate(columns)]


def _item(adapter: TRL, row: int, values: tuple[Any, Any, Any], opened: bool) -> Item:
    prompt, completion, reference = values
    opened = opens_thinking(prompt) if isinstance(prompt, str) else opened
    try:
        answer = final_answer(completion, adapter.show_thinking, opened)
        return Item(conversation(prompt), answer, reference_answer(reference))
    except DataError as error:
        raise DataError(f"row {row} of the batch: {error}") from error


def _opens_thinking(prompt: Any, trainer: Any) -> bool:
    """Whether the policy's chat template begins the completion's thinking."""
    tokenizer: Any = getattr(trainer, "processing_class", None)
    if isinstance(prompt, str) or not prompt or not getattr(tokenizer, "chat_template", None):
        return False
    if prompt[-1]["role"] == "assistant":  # which is continued
        return False
    options = getattr(trainer, "chat_template_kwargs", None) or {}
    return opens_thinking(
        tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False, **options)
    )


def _trainer(batch: Batch) -> Any:
    """TRL's trainer, whose method `log_metric` is; None where a function is called by hand."""
    return getattr(batch.get("log_metric"), "__self__", None)


def _group_size(adapter: TRL, batch: Batch) -> int:
    """Completions of a prompt in this batch, of training or of evaluation; raises ConfigError."""
    trainer, given = _trainer(batch), adapter.group_size
    if (own := getattr(trainer, "num_generations", None)) is None:
        if given is None:
            raise ConfigError(
                "how many completions has a prompt? Set group_size to num_generations"
            )
        return given
    if given not in (None, own):
        raise ConfigError(
            f"group_size is {given}, but the trainer's num_generations is {own}: leave"
            " group_size out"
        )
    return int(own if trainer.model.training else trainer.num_generations_eval)


def _groups(items: Sequence[Item], size: int, interleaved: bool) -> list[range]:
    """Where each group's rows stand; raises ConfigError where a group is not whole."""
    count = len(items) // size
    if interleaved:
        groups = [range(start, len(items), count) for start in range(count)]
    else:
        groups = [range(start, start + size) for start in range(0, count * size, size)]
    prompts = [{items[place].prompt for place in group} for group in groups]
    if len(items) % size or any(len(several) > 1 for several in prompts):
        raise ConfigError(
            f"the {len(items)} rows of the batch are not groups of {size} completions of one"
            " prompt, which are judged together: make the batch of every process (of all processes,"
            " unless asynchronous) a multiple of num_generations, give the dataset a `reference`"
            " column, or use a pointwise judge"
        )
    return groups


async def _score(
    scorer: Scorer, items: Sequence[Item], groups: Sequence[range]
) -> dict[int, Outcome]:
    """The outcomes of these groups, by the place of each row."""
    scored = await asyncio.gather(
        *(scorer.score([items[place] for place in group]) for group in groups)
    )
    placed = (zip(*pair, strict=True) for pair in zip(groups, scored, strict=True))
    return {place: outcome for group in placed for place, outcome in group}


def _rewards(adapter: TRL, outcomes: Sequence[Outcome], batch: Batch) -> Rewards:
    """This process's rewards, and the rate of what is missing in TRL's log."""
    if log_metric := batch.get("log_metric"):
        log_metric(UNSCORED_RATE, unscored_rate(outcomes))
    return settled(outcomes, adapter.unscored)


def _together(work: Callable[[], Result], meet: Callable[[Any], list[Any]]) -> list[Result]:
    """Every process's result, in the order of their ranks; raises in all what is raised in one."""
    result, error = None, None
    try:
        result = work()
    # whatever it is, the other processes wait for this one
    except Exception as caught:  # noqa: BLE001
        error = caught
    parts = meet((result, error and f"{type(error).__name__}: {error}"))
    if error:
        raise error
    if failure := next((failure for _, failure in parts if failure), None):
        raise J1Error(f"the reward failed in another process: {failure}")
    return [result for result, _ in parts]


def gather(own: Any) -> list[Any]:
    """Every process's value, in the order of their ranks; just `own` outside distributed runs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return [own]
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, own)
    return everyone


def _only_this(own: Any) -> list[Any]:
    return [own]


def _rank(everyone: Sequence[Any]) -> int:
    """This process's place among them."""
    import torch.distributed as dist

    return dist.get_rank() if len(everyone) > 1 else 0
