"""A judge as verl's reward manager, which verl loads by `pkg://j1sdk.adapters.verl`.

verl hands its manager one rollout at a time, with the prompt's messages and the `uid` that all
rollouts of a prompt share. Rollouts of a group go to random reward workers, so a group is whole in
one worker only, or behind `j1 serve --cohort N`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.answers import (
    conversation,
    final_answer,
    opens_thinking,
    reference_answer,
)
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.groups import OneByOne
from j1sdk.adapters.scores import Item, Outcome, logged, settled
from j1sdk.adapters.texts import without_end
from j1sdk.background import run
from j1sdk.errors import ConfigError, UnscoredError

MANAGER = "J1RewardManager"
FLAGS = """\
reward.reward_manager.source=importlib
reward.reward_manager.module.path=pkg://j1sdk.adapters.verl
reward.reward_manager.name={manager}
reward.num_workers=1
+reward.custom_reward_function.reward_kwargs.j1={connection}"""
YAML = "trainer/config/reward/reward.yaml"


class Verl(Adapter):
    """A reward manager that verl loads itself; a group is the rollouts of one `uid`."""

    name: ClassVar[str] = "verl"
    title: ClassVar[str] = "verl"
    distribution: ClassVar[str] = "verl"
    tested: ClassVar[str] = "0.9.1"
    unscored: Literal["drop", "group", "neutral", "floor"] = "drop"
    """What a rollout without a score gets: `drop` raises, and verl's trainer (`trainer.use_v1`, its
    default) leaves the rollout out; the old one ends the training. The mean of its scored siblings;
    0.5; 0."""
    reference: Literal["none", "ground_truth"] = "none"
    """Whether a row's `ground_truth` is a reference answer for the judge."""
    group_wait: float = Field(default=900.0, gt=0)
    """Seconds that a rollout waits for the others of its group."""

    def instructions(self, connection: Path) -> Instructions:
        remarks = ["One reward worker is enough: it only waits for the judge."]
        if self.unscored == "drop":
            remarks.append("A rollout without a score raises, which needs trainer.use_v1=true.")
        return Instructions(
            where="verl's command line",
            paste=FLAGS.format(manager=MANAGER, connection=connection),
            remarks=remarks,
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        spec = find_spec("verl")
        folder = Path((spec and spec.origin) or "").parent
        try:
            text = (folder / YAML).read_text(encoding="utf-8")
        except OSError:
            return [f"this verl has no {YAML}"]
        wanted = (
            "reward_manager:",
            "source:",
            "module:",
            "num_workers:",
            "custom_reward_function:",
        )
        return [f"this verl's {YAML} has no {key}" for key in wanted if key not in text]


class Manager:
    """What verl's manager does, apart from verl."""

    def __init__(self, config: Any) -> None:
        """Raises ConfigError for what cannot work, before anything is generated."""
        options = config.reward.get("custom_reward_function") or {}
        file = (options.get("reward_kwargs") or {}).get("j1")
        connection = open_connection(Verl, file)
        assert isinstance(connection.adapter, Verl)
        self.adapter = connection.adapter
        self._scores = OneByOne(
            connection.scorer,
            size=config.actor_rollout_ref.rollout.n,
            wait=self.adapter.group_wait,
            with_mean=self.adapter.unscored == "group",
        )
        if config.reward.num_workers > 1 and run(self._scores.needs_group()):
            raise ConfigError(
                "this judge needs whole groups, and verl sends the rollouts of a group to any of"
                f" its {config.reward.num_workers} reward workers: set reward.num_workers=1, or"
                " connect a server that was started with `j1 serve --cohort N`"
            )

    async def reward(self, row: Any, prompt: str, response: str) -> dict[str, Any]:
        """What `run_single` returns for a row, with its texts as they were tokenized.

        Raises UnscoredError for a rollout to leave out.
        """
        values = row.non_tensor_batch
        truth = (values.get("reward_model") or {}).get("ground_truth")
        item = Item(
            prompt=conversation([dict(message) for message in values["raw_prompt"]]),
            response=final_answer(
                without_end(response), self.adapter.show_thinking, opens_thinking(prompt)
            ),
            reference=reference_answer(truth) if self.adapter.reference != "none" else None,
            group=str(values["uid"]),
        )
        return self._answer(await self._scores.outcome(item))

    def _answer(self, outcome: Outcome) -> dict[str, Any]:
        (score,) = settled([outcome], self.adapter.unscored)
        if score is None:
            raise UnscoredError(f"this rollout has no score: {outcome.detail}")
        return {"reward_score": score, "reward_extra_info": {"acc": score, **logged(outcome)}}


def __getattr__(name: str) -> Any:
    """The manager's class, made when verl asks for it: it derives from one of verl's."""
    if name == MANAGER:
        return _manager_class()
    raise AttributeError(name)


@cache
def _manager_class() -> type:
    from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

    class J1RewardManager(RewardManagerBase):  # type: ignore[misc] # which is not typed
        """Scores rollouts by a judge."""

        def __init__(
            self, config: Any, tokenizer: Any, compute_score: Any = None, **others: Any
        ) -> None:
            super().__init__(config, tokenizer, compute_score)
            self._manager = Manager(config)

        async def run_single(self, data: Any) -> dict[str, Any]:
            row = data[len(data) - 1]  # of several sequences, the last is judged
            prompt, response = row.batch["prompts"], row.batch["responses"]
            written = int(row.batch["attention_mask"][-len(response) :].sum())
            texts = map(self.tokenizer.decode, (prompt, response[:written]))
            return await self._manager.reward(row, *texts)

    return J1RewardManager
