"""A judge trained by verl: rows for its data set, and a reward manager that verl loads.

verl hands its manager one rollout at a time. A group of GRPO is the rollouts of one presentation;
rewards over both orders wait for those of the task, which one reward worker sees all of.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from j1sdk.adapters import Instructions
from j1sdk.engines.chat import messages
from j1sdk.errors import ConfigError
from j1sdk.training.exports import (
    ROWS_FILE,
    RUN_FILE,
    Export,
    LaidOut,
    PromptRow,
    RolloutLabel,
    open_grader,
)
from j1sdk.training.layout import decode, template_options

TRAINING_MANAGER = "J1TrainingManager"
ESTIMATORS = {
    "group_norm": ("true", "token-mean"),
    "dr_grpo": ("false", "seq-mean-token-sum-norm"),
}
"""Estimators of ours that verl has: its `norm_adv_by_std_in_grpo` and `loss_agg_mode`."""
TRAINING_FLAGS = """\
data.train_files={rows}
data.val_files={rows}
data.shuffle=false
data.filter_overlong_prompts=false
data.train_batch_size={batch}
data.max_prompt_length={longest}
data.max_response_length={new}
actor_rollout_ref.model.path={model}
actor_rollout_ref.rollout.n={rollouts}
actor_rollout_ref.rollout.temperature={temperature}
actor_rollout_ref.actor.ppo_mini_batch_size={batch}
actor_rollout_ref.actor.optim.lr={learning_rate}
actor_rollout_ref.actor.use_kl_loss={with_kl}
actor_rollout_ref.actor.kl_loss_coef={kl}
actor_rollout_ref.actor.loss_agg_mode={aggregate}
algorithm.adv_estimator=grpo
algorithm.norm_adv_by_std_in_grpo={by_deviation}
trainer.total_epochs=1
trainer.val_before_train=false
trainer.test_freq=-1
reward.reward_manager.source=importlib
reward.reward_manager.module.path=pkg://j1sdk_verl.export
reward.reward_manager.name={manager}
reward.num_workers=1
+reward.custom_reward_function.reward_kwargs.j1={run}
+reward.custom_reward_function.reward_kwargs.wait={wait:g}"""


class Verl(Export):
    """GRPO of a judge in verl."""

    name: ClassVar[str] = "verl"
    title: ClassVar[str] = "verl"
    tested: ClassVar[str] = "0.9.1"
    group_wait: float = Field(default=3600.0, gt=0)
    """Seconds that a rollout waits for the others of its task, where a reward compares them."""

    def instructions(self, made: LaidOut, folder: Path) -> Instructions:
        train, sampling = made.train, made.judge.sampling
        if train.estimator not in ESTIMATORS:
            raise ConfigError(
                f"verl's GRPO has no {train.estimator}: use {' or '.join(ESTIMATORS)}"
            )
        by_deviation, aggregate = ESTIMATORS[train.estimator]
        paste = TRAINING_FLAGS.format(
            rows=folder / ROWS_FILE,
            batch=train.tasks_per_step * made.presentations,
            longest=made.longest,
            new=sampling.max_new_tokens,
            model=made.model,
            rollouts=train.rollouts,
            temperature=train.temperature,
            learning_rate=train.learning_rate,
            with_kl=str(train.kl > 0).lower(),
            kl=train.kl,
            aggregate=aggregate,
            by_deviation=by_deviation,
            manager=TRAINING_MANAGER,
            run=folder / RUN_FILE,
            wait=self.group_wait,
        )
        options = template_options(made.judge).items()
        kwargs = [
            f"+data.apply_chat_template_kwargs.{name}={as_flag(one)}" for name, one in options
        ]
        return Instructions(
            where="verl's command line (python -m verl.trainer.main_ppo)",
            paste="\n".join([paste, *kwargs]),
            files={ROWS_FILE: "".join(map(line, made.rows))},
            remarks=[
                "Both orders of a pair stand side by side: leave data.shuffle off.",
                "verl's validation is off: measure the judge by `j1 eval`, with judge.engine.model"
                " set to the folder that verl's model_merger writes.",
            ],
        )


def line(row: PromptRow) -> str:
    """A line of verl's data set; the label is a text, as Arrow would merge fields of objects."""
    truth = {"style": "rule", "ground_truth": row.label.model_dump_json()}
    source = row.label.task.subset or "judge"
    return (
        json.dumps({"data_source": source, "prompt": messages(row.prompt), "reward_model": truth})
        + "\n"
    )


def as_flag(value: Any) -> str:
    """A value as hydra reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class TrainingManager:
    """What verl's manager does, apart from verl."""

    def __init__(self, config: Any) -> None:
        """Raises ConfigError for what cannot work, before anything is generated."""
        kwargs = (config.reward.get("custom_reward_function") or {}).get("reward_kwargs") or {}
        rollouts = config.actor_rollout_ref.rollout.n
        self._grader = open_grader(kwargs["j1"], rollouts, float(kwargs["wait"]))
        if config.reward.num_workers > 1 and self._grader.needs_task:
            raise ConfigError(
                "a reward compares rollouts of both orders, and verl sends them to any of its"
                f" {config.reward.num_workers} reward workers: set reward.num_workers=1"
            )

    async def reward(self, row: Any, tokenizer: Any, ids: list[int]) -> dict[str, Any]:
        """What `run_single` returns for a row, with the token ids that were written."""
        label = RolloutLabel.model_validate_json(
            row.non_tensor_batch["reward_model"]["ground_truth"]
        )
        judge = self._grader.judge
        written = decode(tokenizer, ids, **template_options(judge))
        grade = await self._grader.grade(label, written)
        logged = {f"j1/{name}": value for name, value in grade.terms.items()}
        extra = {"acc": grade.reward, **logged, "j1/unread": float(not grade.judgment.ok)}
        return {"reward_score": grade.reward, "reward_extra_info": extra}


def __getattr__(name: str) -> Any:
    """The manager's class, made when verl asks for it: it derives from one of verl's."""
    if name == TRAINING_MANAGER:
        return _manager_class()
    raise AttributeError(name)


@cache
def _manager_class() -> type:
    from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

    class J1TrainingManager(RewardManagerBase):  # type: ignore[misc] # which is not typed
        """Grades rollouts of a judge that is trained."""

        def __init__(
            self, config: Any, tokenizer: Any, compute_score: Any = None, **others: Any
        ) -> None:
            super().__init__(config, tokenizer, compute_score)
            self._manager = TrainingManager(config)

        async def run_single(self, data: Any) -> dict[str, Any]:
            row = data[0]
            response = row.batch["responses"]
            written = int(row.batch["attention_mask"][-len(response) :].sum())
            return await self._manager.reward(row, self.tokenizer, response[:written].tolist())

    return J1TrainingManager
