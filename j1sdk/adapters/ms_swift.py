"""A judge as a reward of ms-swift's GRPO: `--external_plugins FILE --reward_funcs j1`.

ms-swift's trainer is built on TRL's, and hands over the rows of a process in the same order, so the
same reward function serves it; groups that are split over processes are gathered. It makes 0 of a
missing reward, so there is no `drop`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.trl import TRL
from j1sdk.errors import ConfigError

logger = logging.getLogger(__name__)
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
        options = {"unscored": adapter.unscored, "show_thinking": adapter.show_thinking}
        self._reward = TRL(group_size=size, **options).reward_function(scorer)
        self._column = adapter.reference_column
        self.__name__ = REWARD

    def __call__(self, completions: Sequence[str], **columns: Any) -> list[float]:
        """A reward for each; raises ConfigError where groups are not whole, as TRL's does."""
        if self._column and self._column not in columns:
            raise ConfigError(f"the dataset has no column {self._column!r}: see reference_column")
        rewards: Any = self._reward(
            prompts=[messages[:-1] for messages in columns["messages"]],
            completions=completions,
            reference=columns[self._column] if self._column else None,
            log_metric=log,
        )
        made: list[float] = rewards  # a number each: `drop` is no choice here
        return made


def log(name: str, value: float) -> None:
    """Say how many have no score: ms-swift has no log for what a reward function knows."""
    if value:
        logger.warning("%s = %.3f", name, value)


def size_of(adapter: MsSwift, args: Any) -> int | None:
    """Completions of a prompt; raises ConfigError where evaluation has another number."""
    size = adapter.group_size or getattr(args, "num_generations", None)
    if getattr(args, "num_generations_eval", None) not in (None, size):
        raise ConfigError(
            f"evaluation has groups of {args.num_generations_eval} and training of {size}, and"
            " ms-swift does not say which it is at: make num_generations_eval the same"
        )
    return size


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
            self._reward = Reward(adapter, scorer, size_of(adapter, args))

        def __call__(self, completions: Sequence[str], **columns: Any) -> list[float]:
            return self._reward(completions, **columns)

    orms[REWARD] = J1
