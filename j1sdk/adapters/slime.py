"""A judge as slime's custom reward: `--custom-rm-path j1sdk.adapters.slime.reward`.

slime asks for one sample at a time, or, with `--group-rm`, for all of a prompt at once. Its
responses keep the token that ends them. All rollouts of a run are rewarded by one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import StrictStr

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.adapters.scores import UNSCORED_RATE, Item, Outcome, numbers
from j1sdk.adapters.texts import TextOptions, item_of

REWARD = "j1sdk.adapters.slime.reward"
SCORE, CATEGORY = "score", "j1"
"""Keys of what slime gets: the reward, and the category that it logs the rate of."""
CONFIG = "j1_connection: {connection}\n"
FLAGS = """\
--custom-rm-path {reward}
--custom-config-path {config}
--group-rm
--reward-key {score}
--log-reward-category {category}"""


class Slime(Adapter, TextOptions):
    """A reward function by its path; a group is what slime hands over with `--group-rm`."""

    name: ClassVar[str] = "slime"
    title: ClassVar[str] = "slime"
    distribution: ClassVar[str] = "slime"
    tested: ClassVar[str] = "git 624b824a"
    one_per_worker: ClassVar[bool] = False
    unscored: Literal["drop", "group", "neutral", "floor", "error"] = "drop"
    """What a sample without a score gets: `drop` sets `remove_sample`, so that it has no loss, and
    the mean of its group as its reward, so that the group's baseline stays where it is; that mean
    alone; 0.5; 0; an UnscoredError, which ends the rollout. Without `--group-rm` there is no group,
    and 0.5 stands for its mean."""

    def instructions(self, connection: Path) -> Instructions:
        config = connection.with_name("j1_slime.yaml")
        return Instructions(
            where="slime's command line",
            paste=FLAGS.format(reward=REWARD, config=config, score=SCORE, category=CATEGORY),
            files={config.name: CONFIG.format(connection=connection)},
            remarks=[
                "slime refuses --group-rm together with evaluation: without it each sample is"
                " scored by itself, which a pointwise judge can."
            ],
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
    opened = open_connection(Slime, getattr(args, "j1_connection", None))
    assert isinstance(opened.adapter, Slime)
    if isinstance(samples, Sequence):
        return await rewarded(opened.adapter, opened.scorer, samples)
    return (await rewarded(opened.adapter, opened.scorer, [samples]))[0]


async def rewarded(adapter: Slime, scorer: Scorer, samples: Sequence[Any]) -> list[dict[str, Any]]:
    """The rewards of samples of one prompt; those that are to be left out are marked."""
    outcomes = await scorer.score([_item(adapter, sample) for sample in samples])
    policy = "group" if adapter.unscored == "drop" else adapter.unscored
    for sample, outcome in zip(samples, outcomes, strict=True):
        if outcome.score is None and adapter.unscored == "drop":
            sample.remove_sample = True
    pairs = zip(numbers(outcomes, policy), outcomes, strict=True)
    return [{SCORE: score, CATEGORY: category(outcome)} for score, outcome in pairs]


def category(outcome: Outcome) -> str:
    """What slime logs the rate of, as `error_cat/j1/unscored`."""
    return UNSCORED_RATE if outcome.score is None else "j1/scored"


def _item(adapter: Slime, sample: Any) -> Item:
    read = item_of(sample.prompt, sample.response, sample.label, adapter)
    return replace(read, group=str(sample.group_index))


class Sample(Request):
    """One sample of slime's; the prompt is a text or messages."""

    prompt: StrictStr | list[Any]
    response: StrictStr
    label: Any = None


class Route(Dialect):
    """`--rm-type remote_rm --rm-url`: the answer is the bare number. It asks ten times."""

    name: ClassVar[str] = "slime"
    path: ClassVar[str] = "/slime"
    request: ClassVar[type[Request]] = Sample
    title: ClassVar[str] = "slime"
    hint: ClassVar[str] = "--rm-type remote_rm --rm-url {url}"

    def items(self, request: Sample, options: TextOptions) -> list[Item]:
        return [item_of(request.prompt, request.response, request.label, options)]

    def answer(self, request: Sample, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return rewards[0]
