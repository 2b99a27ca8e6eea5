"""The trainer `openrlhf`: its options, and the files and the command that a run becomes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, SerializeAsAny, model_validator

from j1sdk.component import Value
from j1sdk.errors import ConfigError, TrainingError
from j1sdk.files import write_text
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.training import Interrupted, Progress, Trainer
from j1sdk.training.openrlhf.flags import cluster_flags, grpo_flags, version_of, words
from j1sdk.training.openrlhf.parsers import check_words, installed_version

if TYPE_CHECKING:
    from j1sdk.config import Run

PROGRAM = "train_ppo_ray"
FINAL, LOGS, CHECKPOINTS = "final", "tensorboard", "checkpoints"


class Plan(NamedTuple):
    """What is to be run."""

    line: list[str]
    """The words behind the program."""
    steps: int


class Cluster(Value):
    """What OpenRLHF runs on. The judge's weights, its vLLM engines and the reference share it."""

    nodes: int = Field(default=1, ge=1)
    gpus_per_node: int = Field(default=8, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs of one vLLM engine."""
    engines: int | None = Field(default=None, ge=1)
    """VLLM engines; as many as fit on all GPUs unless given."""
    colocate: bool = True
    """Take turns on the same GPUs, sleeping in between."""
    asynchronous: bool = False
    """Generate for the next step while training on this one."""
    zero_stage: Literal[0, 1, 2, 3] = 3
    offload: bool = False
    """Keep the optimizer in main memory."""
    packing: bool = True
    attention: str = "flash_attention_2"
    gpu_memory: float = Field(default=0.6, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""
    tokens_per_gpu: int = Field(default=16384, ge=1)

    @property
    def together(self) -> bool:
        """Whether training and generation take turns."""
        return self.colocate and not self.asynchronous

    @property
    def all_engines(self) -> int:
        """VLLM engines in all."""
        return self.engines or max(1, self.nodes * self.gpus_per_node // self.tensor_parallel)

    @model_validator(mode="after")
    def _check_engines(self) -> Cluster:
        """OpenRLHF would say so too, but only once Ray runs."""
        taken, there = self.all_engines * self.tensor_parallel, self.nodes * self.gpus_per_node
        if self.together and taken != there:
            raise ValueError(
                f"engines x tensor_parallel is {taken}, but engines that share GPUs with training"
                f" must take all {there}: change them, or set colocate = false"
            )
        return self


class OpenRLHF(Trainer):
    """GRPO of a judge in OpenRLHF, both orders of every pair in one group of rollouts.

    OpenRLHF samples one dataset row n times; here a row is a task, and its n rollouts share out
    the task's presentations. So a group's baseline is over both orders, where TRL's is over each.
    """

    name: ClassVar[str] = "openrlhf"
    learning_rate: float = Field(default=1e-6, gt=0)
    rewards: tuple[SerializeAsAny[RewardStrategy], ...] = Field(
        default=(VerdictCorrectness(),), min_length=1
    )
    tasks_per_step: int = Field(default=64, ge=1)
    rollouts: int = Field(default=4, ge=1)
    """Completions per presentation."""
    epochs: int = Field(default=1, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    kl: float = Field(default=0.0, ge=0)
    estimator: Literal["group_norm", "rloo", "dr_grpo", "reinforce_baseline"] = "group_norm"
    correction: Literal["off", "token", "seq"] = "token"
    """Importance-sampling correction for what vLLM and the trainer compute differently."""
    save_steps: int = Field(default=20, ge=1)
    drop_long: bool = False
    """Leave out tasks that do not fit the context, instead of refusing them."""
    cluster: Cluster = Cluster()
    python: str | None = None
    """The interpreter of OpenRLHF's environment; this one unless given."""
    options: dict[str, Any] = {}
    """Anything else its command takes, by its name there: { "actor.max_norm" = 0.5 }."""

    def check(self, run: Run) -> None:
        engine = run.judge.engine
        if not getattr(engine, "model", None) or getattr(engine, "adapter", None):
            raise ConfigError(
                'openrlhf trains the weights of a model: set judge.engine to { name = "vllm",'
                " model = ... }, without an adapter"
            )
        if run.data is None:
            raise ConfigError("nothing to train on: the run has no [data]")
        for reward in self.rewards:
            reward.check(run.judge.format, run.judge.orders)

    def plan(self, run: Run, out: Path, version: str) -> Plan:
        """Write OpenRLHF's files into `out`, and work out its command. Raises ConfigError."""
        from j1sdk.config import dump_run
        from j1sdk.training.openrlhf.export import export

        self.check(run)
        numbers, folder = version_of(version), out.absolute() / "openrlhf"
        assert run.data is not None  # `check` saw to it
        made = export(
            run.judge, run.data.load(), folder, dump_run(run), self.drop_long, self.tasks_per_step
        )
        new, samples = run.judge.sampling.max_new_tokens, self.rollouts * made.presentations
        flags = {
            "actor.model_name_or_path": str(getattr(run.judge.engine, "model", "")),
            "data.prompt_dataset": str(made.rows),
            "data.input_key": "input",
            "data.label_key": "label",
            "train.agent_func_path": str(made.executor),
            "train.seed": run.seed,
            "ckpt.output_dir": str(folder / FINAL),
            "ckpt.path": str(folder / CHECKPOINTS),
            "logger.tensorboard_dir": str(folder / LOGS),
            **grpo_flags(self, numbers, samples, made.context, new),
            **cluster_flags(self.cluster, self.kl),
            **self.options,
        }
        return Plan(words(flags), made.tasks * self.epochs // self.tasks_per_step)

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        from j1sdk.training.openrlhf.launch import history, launch, saved_step
        from j1sdk.training.session import LOG_FILE, claim

        self.check(run)
        claim(out, resume)
        line, steps = self.plan(run, out, installed_version())
        line += ["--ckpt.load_enable"] if resume else []
        check_words(PROGRAM, line)
        folder = out / "openrlhf"
        logs = folder / LOGS
        try:
            launch(
                [self.python or sys.executable, "-m", f"openrlhf.cli.{PROGRAM}", *line],
                out / "openrlhf.log",
                watch=lambda: progress(len(history(logs)), steps) if progress else None,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(saved_step(folder / CHECKPOINTS), steps, out) from None
        logged = history(logs)
        write_text(out / LOG_FILE, json.dumps(logged, indent=1))
        keep(run, folder / FINAL, out / "judge")
        return logged


def keep(run: Run, weights: Path, judge: Path) -> None:
    """Make a judge's folder of OpenRLHF's; raises TrainingError where it left no weights."""
    from j1sdk.config import HERE, record_judge

    if not (weights / "config.json").is_file():
        raise TrainingError(f"OpenRLHF ended well, but left no weights in {weights}")
    shutil.rmtree(judge, ignore_errors=True)
    weights.rename(judge)
    record_judge(run.judge, run.judge.engine.model_copy(update={"model": HERE}), judge, run)
