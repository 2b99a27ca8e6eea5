"""A judge as a reward of ms-swift's GRPO: `--external_plugins FILE --reward_funcs j1`.

Each process scores its own rows, in which the completions of a prompt follow each other. ms-swift
makes 0 of a missing reward, so there is no `drop`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.scores import Item, numbers
from j1sdk.background import run
from j1sdk.errors import ConfigError

FILE = """\
# ms-swift imports this by --external_plugins.
from j1sdk.adapters.ms_swift import register

register({connection!r})
"""
REWARD = "j1"


class MsSwift(Adapter):
    """An entry of `swift.rewards.orms`."""

    name: ClassVar[str] = "ms-swift"
    title: ClassVar[str] = "ms-swift"
    distribution: ClassVar[str] = "ms-swift"
    tested: ClassVar[str] = "4.6.0"
    unscored: Literal["group", "neutral", "floor", "error"] = "group"
    """What a completion without a score gets: the mean of its scored siblings, so that it has no
    advantage; 0.5; 0; an UnscoredError, which ends the training. ms-swift would make 0 of None."""
    reference_column: str = ""
    """The dataset's column with a reference answer, such as `solution`."""
    group_size: int | None = None
    """Completions of a prompt; ms-swift's num_generations unless given."""

    def reward_function(self, scorer: Scorer) -> Reward:
        return Reward(self, scorer, self.group_size)

    def instructions(self, connection: Path) -> Instructions:
        file = connection.with_name("j1_swift.py")
        return Instructions(
            where="the command line of swift rlhf",
            paste=f"--external_plugins {file} --reward_funcs {REWARD}",
            files={file.name: FILE.format(connection=str(connection))},
            remarks=[
                "ms-swift makes 0 of a missing reward, so a completion without a score gets"
                f" {self.unscored!r} (adapter.unscored)."
            ],
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        if find_spec("swift.rewards") is None:
            return ["this ms-swift has no swift.rewards, where rewards are registered"]
        return []


class Reward:
    """What ms-swift calls, with completions and batched columns."""

    def __init__(self, adapter: MsSwift, scorer: Scorer, size: int | None) -> None:
        self._adapter, self._scorer, self._size = adapter, scorer, size
        self.__name__ = REWARD

    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float]:
        adapter = self._adapter
        items = items_of(adapter, completions, columns)
        together = adapter.unscored == "group" or (
            not adapter.reference_column and run(self._scorer.compares())
        )
        groups = groups_of(items, self._group_size() if together else 1)
        scored = run(self._scored([[items[place] for place in group] for group in groups]))
        outcomes = [outcome for group in scored for outcome in group]
        return numbers(outcomes, adapter.unscored)

    async def _scored(self, groups: Sequence[Sequence[Item]]) -> list[Any]:
        return list(await asyncio.gather(*map(self._scorer.score, groups)))

    def _group_size(self) -> int:
        if self._size is None:
            raise ConfigError("how many completions has a prompt? Set adapter.group_size")
        return self._size


def items_of(adapter: MsSwift, completions: Sequence[str], columns: dict[str, Any]) -> list[Item]:
    """What the judge is to score; raises DataError."""
    answers = columns.get(adapter.reference_column) if adapter.reference_column else None
    if adapter.reference_column and answers is None:
        raise ConfigError(f"the dataset has no column {adapter.reference_column!r}")
    return [
        Item(
            prompt=conversation(messages[:-1]),
            response=final_answer(completion, adapter.show_thinking),
            reference=reference_answer(answers[place]) if answers is not None else None,
            group=str(columns["prompt_id"][place]),
        )
        for place, (completion, messages) in enumerate(
            zip(completions, columns["messages"], strict=True)
        )
    ]


def groups_of(items: Sequence[Item], size: int) -> list[range]:
    """Where each group's rows stand; raises ConfigError where a group is not whole here."""
    groups = [range(start, start + size) for start in range(0, len(items), size)]
    ids = [{items[place].group for place in group if place < len(items)} for group in groups]
    if len(items) % size or any(len(several) > 1 for several in ids):
        raise ConfigError(
            f"the {len(items)} completions of this process are not groups of {size}, which are"
            " scored together: make per_device_generation_batch_size a multiple of"
            " num_generations, or name a reference_column with unscored neutral or floor"
        )
    return groups


def register(connection: str) -> None:
    """Enter the judge of a connection file among ms-swift's rewards; raises ConfigError."""
    from swift.rewards import ORM, orms

    opened = open_connection(MsSwift, connection)
    assert isinstance(opened.adapter, MsSwift)
    adapter, scorer = opened.adapter, opened.scorer

    class J1(ORM):  # type: ignore[misc] # which is not typed
        """The judge, made with the trainer's arguments."""

        def __init__(self, args: Any = None, **others: Any) -> None:
            super().__init__(args=args, **others)
            size = adapter.group_size or getattr(args, "num_generations", None)
            self._reward = Reward(adapter, scorer, size)

        def __call__(self, completions: Sequence[str], **columns: Any) -> list[float]:
            return self._reward(completions, **columns)

    orms[REWARD] = J1
