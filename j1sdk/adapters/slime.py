"""A judge as slime's custom reward: `--custom-rm-path j1sdk.adapters.slime.reward`.

slime asks for one sample at a time, or, with `--group-rm`, for all of a prompt at once. Its
responses keep the token that ends them. All rollouts of a run are rewarded by one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.groups import OneByOne
from j1sdk.adapters.scores import Item, Outcome, logged, settled
from j1sdk.adapters.texts import TextOptions, item_of

REWARD = "j1sdk.adapters.slime.reward"
CONFIG = "j1_connection: {connection}\n"
FLAGS = """\
--custom-rm-path {reward}
--custom-config-path {config}"""


class Slime(Adapter, TextOptions):
    """A reward function by its path; a group is the samples of one `group_index`."""

    name: ClassVar[str] = "slime"
    title: ClassVar[str] = "slime"
    distribution: ClassVar[str] = "slime"
    tested: ClassVar[str] = "git 624b824a"
    one_per_worker: ClassVar[bool] = False
    unscored: Literal["drop", "group", "neutral", "floor", "error"] = "drop"
    """What a sample without a score gets: `drop` sets `remove_sample`, so that it has no loss, and
    the mean of its group as its reward, so that the group's baseline stays where it is; that mean
    alone; 0.5; 0; an UnscoredError, which ends the rollout."""
    group_wait: float = Field(default=900.0, gt=0)
    """Seconds that a sample waits for the others of its group, without --group-rm."""

    def instructions(self, connection: Path) -> Instructions:
        config = connection.with_name("j1_slime.yaml")
        return Instructions(
            where="slime's command line",
            paste=FLAGS.format(reward=REWARD, config=config),
            files={config.name: CONFIG.format(connection=connection)},
            remarks=["--group-rm may be added: then a prompt's samples are handed over at once."],
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        spec = find_spec("slime")
        folders = list(spec.submodule_search_locations or ()) if spec else []
        texts = [Path(folder, "utils", "arguments.py") for folder in folders]
        known = "".join(path.read_text(encoding="utf-8") for path in texts if path.exists())
        flags = [line.split()[0] for line in FLAGS.splitlines()]
        return [f"this slime has no {flag}" for flag in flags if f'"{flag}"' not in known]


async def reward(args: Any, samples: Any, **others: Any) -> Any:
    """The reward of a sample, or of each of a group: what slime calls. Raises ConfigError."""
    rewarder = _rewarder(getattr(args, "j1_connection", None), args.n_samples_per_prompt)
    if isinstance(samples, Sequence):
        return await rewarder.of_group(samples)
    return await rewarder.of_sample(samples)


class Rewarder:
    """Rewards samples, and marks those that are to be left out."""

    def __init__(self, adapter: Slime, scorer: Scorer, size: int) -> None:
        self._adapter, self._scorer = adapter, scorer
        with_mean = adapter.unscored in ("drop", "group")
        self._one_by_one = OneByOne(scorer, size, adapter.group_wait, with_mean)

    async def of_group(self, samples: Sequence[Any]) -> list[float]:
        """The rewards of all samples of a prompt."""
        outcomes = await self._scorer.score([self._item(sample) for sample in samples])
        pairs = zip(samples, outcomes, strict=True)
        return [self._settled(sample, outcome) for sample, outcome in pairs]

    async def of_sample(self, sample: Any) -> float:
        """The reward of one sample, once its group is there where that is needed."""
        return self._settled(sample, await self._one_by_one.outcome(self._item(sample)))

    def _item(self, sample: Any) -> Item:
        read = item_of(sample.prompt, sample.response, sample.label, self._adapter)
        return Item(read.prompt, read.response, read.reference, str(sample.group_index))

    def _settled(self, sample: Any, outcome: Outcome) -> float:
        policy = "group" if self._adapter.unscored == "drop" else self._adapter.unscored
        if outcome.score is None and self._adapter.unscored == "drop":
            sample.remove_sample = True
        if isinstance(sample.metadata, dict):
            sample.metadata.update(logged(outcome))
        (score,) = settled([outcome], policy)
        assert score is not None  # no policy but `drop` leaves one out
        return score


@cache
def _rewarder(connection: str | None, size: int) -> Rewarder:
    opened = open_connection(Slime, connection)
    assert isinstance(opened.adapter, Slime)
    return Rewarder(opened.adapter, opened.scorer, size)
