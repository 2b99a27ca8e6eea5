"""The trainer `openrlhf`: GRPO of a judge; and what it shares with GRPO of anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from j1sdk.formats import JudgmentFormat
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run
from j1sdk.training.multitask import parts_of
from j1sdk_openrlhf.base import OpenRLHFTrainer, Written, model_of
from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.flags import Sizes, Version, cluster_flags, grpo_flags


class RolloutTrainer(OpenRLHFTrainer):
    """GRPO or a relative of it, on completions that vLLM samples."""

    program: ClassVar[str] = "train_ppo_ray"
    spelled: ClassVar[dict[str, str]] = OpenRLHFTrainer.spelled | {
        "learning_rate": "actor.adam.lr",
        "epochs": "train.num_episodes",
        "temperature": "rollout.temperature",
        "estimator": "algo.advantage.estimator",
        "kl": "algo.kl.init_coef",
        "cluster.nodes": "actor.num_nodes",
        "cluster.gpus_per_node": "actor.num_gpus_per_node",
        "cluster.engines": "vllm.num_engines",
        "cluster.tensor_parallel": "vllm.tensor_parallel_size",
        "cluster.gpu_memory": "vllm.gpu_memory_utilization",
        "cluster.asynchronous": "train.async_enable",
        "cluster.tokens_per_gpu": "train.max_tokens_per_gpu",
    }
    learning_rate: float = Field(default=1e-6, gt=0)
    """Of Adam, at its highest."""
    epochs: int = Field(default=1, ge=1)
    """Times that every task is seen."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the rollouts."""
    kl: float = Field(default=0.0, ge=0)
    """Coefficient of the KL divergence from the starting model; 0 loads no reference model."""
    estimator: Literal["group_norm", "rloo", "dr_grpo", "reinforce_baseline"] = "group_norm"
    """How rewards become advantages, by OpenRLHF's name."""
    correction: Literal["off", "token", "seq"] = "token"
    """Importance-sampling correction for what vLLM and the trainer compute differently."""
    cluster: Cluster = Cluster()
    """What the training runs on."""

    def command(self, line: list[str]) -> list[str]:
        words, job = super().command(line), self.cluster.job
        return ["ray", *job.submission(words)] if job else words

    @contextmanager
    def running(self, line: list[str]) -> Iterator[list[str]]:
        job = self.cluster.job
        ran = job.submitted(super().command(line)) if job else super().running(line)
        with ran as command:
            yield command


class OpenRLHF(RolloutTrainer):
    """GRPO of a judge in OpenRLHF, both orders of every pair in one group of rollouts.

    OpenRLHF samples one dataset row n times; here a row is a task, and its n rollouts share out
    the task's presentations. So a group's baseline is over both orders, where TRL's is over each.
    """

    name: ClassVar[str] = "openrlhf"
    spelled: ClassVar[dict[str, str]] = RolloutTrainer.spelled | {
        "tasks_per_step": "rollout.batch_size"
    }
    rewards: tuple[RewardStrategy, ...] = Field(default=(VerdictCorrectness(),), min_length=1)
    """What a rollout is rewarded for: the weighted sum of these."""
    tasks_per_step: int = Field(default=64, ge=1)
    """Tasks of one step; each gets `rollouts` completions of every presentation."""
    rollouts: int = Field(default=4, ge=1)
    """Completions per presentation."""
    multitask: tuple[JudgmentFormat, ...] = ()
    """Formats trained with the judge's own, a row for each (`j1sdk.training.multitask`)."""

    def check(self, run: Run) -> None:
        super().check(run)
        parts_of(run.judge, self.multitask, self.rewards)

    def write(self, run: Run, folder: Path, version: Version) -> Written:
        from j1sdk_openrlhf.export import export

        parts = parts_of(run.judge, self.multitask, self.rewards)
        tasks = self.source(run).load()
        model = model_of(run, self.name)
        made = export(parts, tasks, model, folder, self.drop_long, self.tasks_per_step)
        sizes = Sizes(
            rows=self.tasks_per_step * len(parts),
            samples=self.rollouts * made.presentations,
            context=made.context,
            new=run.judge.sampling.max_new_tokens,
        )
        flags = {
            "actor.model_name_or_path": model,
            "data.prompt_dataset": str(made.rows),
            "data.input_key": "input",
            "data.label_key": "label",
            "train.agent_func_path": str(made.executor),
            **grpo_flags(self, version, sizes),
            **cluster_flags(self.cluster, self.kl),
        }
        return Written(flags, made.total * self.epochs // sizes.rows)
