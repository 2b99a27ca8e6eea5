"""Training a judge on one machine, with TRL: supervised fine-tuning and GRPO (DPO: `trl_dpo`).

All start from the run's `transformers` engine, full weights or LoRA, and leave in the output
folder `judge/` (weights, tokenizer, run file), `checkpoints/`, `log.json` and TensorBoard logs.
Batches are laid out here rather than shuffled by the trainer: every task's presentations stand
side by side, so that both orders are always in one batch and no extra rollout is generated.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from j1sdk.component import Value
from j1sdk.data import Learnt, Source
from j1sdk.engines.transformers import Transformers, load_model
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.formats import JudgmentFormat
from j1sdk.rewards import RewardStrategy
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run, save_judge
from j1sdk.training import Progress, Trainer
from j1sdk.training.layout import (
    Asker,
    Example,
    check_batch_shape,
    context_of,
    dataset,
    decode,
    end_turns,
    fitting,
    fitting_tasks,
    shuffled,
    template_options,
)
from j1sdk.training.multitask import functions_of, lay_out, parts_of
from j1sdk.types import JudgmentTask

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Lora(Value):
    """Low-rank adapters instead of full weights; merged when the judge is saved."""

    rank: int = Field(default=16, ge=1)
    """Of the adapters."""
    alpha: int = 32
    """The adapters' output is scaled by alpha / rank."""
    dropout: float = 0.05
    """Share of the adapters' input left out in training."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """The layers that get adapters, by peft's names."""


class TrlTrainer(Trainer):
    """What the trainers by TRL have in common."""

    learns: ClassVar[Learnt]
    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; as many as `epochs` take unless given."""
    epochs: float = Field(default=1.0, gt=0)
    """Times that every example is seen."""
    learning_rate: float = Field(gt=0)
    """Of AdamW, at its highest."""
    lora: Lora | None = None
    """Train adapters instead of all weights."""
    save_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    logging_steps: int = Field(default=10, ge=1)
    """Steps between entries of the log."""
    report_to: tuple[str, ...] = ("tensorboard",)
    """Where TRL reports to as well, by its names."""
    drop_long: bool = False
    """Leave out tasks that do not fit the model's context, instead of refusing them."""
    options: dict[str, Any] = {}
    """Anything else TRL's own configuration takes, by its name there."""

    def check(self, run: Run) -> None:
        if not isinstance(run.judge.engine, Transformers):
            raise ConfigError(
                f"{self.name} trains a model on this machine: set judge.engine to"
                ' { name = "transformers", model = ... }'
            )
        if run.judge.engine.adapter:
            raise ConfigError(
                f"{self.name} cannot go on training an adapter: merge it first"
                " (JudgeRewardModel.save does) and name the merged model"
            )
        if not run.judge.format.single_turn:
            raise ConfigError(
                f"{self.name} trains single-turn formats; {run.judge.format.name} is not one."
                " Train the format it is built on, and use this one with the trained judge"
            )
        self.source(run)

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        self.check(run)
        try:
            from j1sdk.training import session
        except ImportError as error:
            raise MissingExtraError(error.name or "trl", "trl") from error
        session.claim(out, resume)
        assert isinstance(run.judge.engine, Transformers)  # `check` saw to it
        self.prepare(run, out, progress)
        model, tokenizer = load_model(run.judge.engine)
        end_turns(model, tokenizer, **template_options(run.judge))
        trainer = self.build(run, model, tokenizer, out)
        taken = self.lessons(run, out).account(run.judge.format, self.learns, run.seed)
        history = session.fit(trainer, out, resume, progress, taken)
        if trainer.is_world_process_zero():
            save_trained(run, trainer.model, tokenizer, out / "judge")
        return history

    def prepare(self, run: Run, out: Path, progress: Progress | None) -> None:
        """Make what `lessons` reads; before the model is loaded."""

    def lessons(self, run: Run, out: Path) -> Source:
        """Where what is learnt comes from."""
        return self.source(run)

    @abstractmethod
    def build(
        self, run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path
    ) -> Any:
        """The TRL trainer for a run."""

    def arguments(self, run: Run, out: Path) -> dict[str, Any]:
        """TRL settings common to all; `options` win over them."""
        import torch

        gpu = torch.cuda.is_available()
        return {
            "output_dir": str(out / "checkpoints"),
            "learning_rate": self.learning_rate,
            "save_strategy": "steps",
            "save_steps": self.save_steps,
            "save_total_limit": 2,
            "logging_steps": self.logging_steps,
            "report_to": list(self.report_to),
            "seed": run.seed,
            "disable_tqdm": True,
            "use_cpu": not gpu,
            "bf16": gpu,
            "gradient_checkpointing": gpu,
            "dataloader_pin_memory": gpu,
        }

    @property
    def length(self) -> dict[str, Any]:
        """How long to train, in TRL's words."""
        return {"max_steps": self.steps} if self.steps else {"num_train_epochs": self.epochs}

    def peft(self) -> Any:
        """The adapter's configuration, or None for full weights."""
        if self.lora is None:
            return None
        from peft import LoraConfig

        targets = self.lora.target_modules
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.lora.rank,
            lora_alpha=self.lora.alpha,
            lora_dropout=self.lora.dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
        )


class Sft(TrlTrainer):
    """Supervised fine-tuning on a source's demonstrations, on the judge's words only."""

    name: ClassVar[str] = "sft"
    learns: ClassVar[Learnt] = "demonstrations"
    learning_rate: float = Field(default=1e-5, gt=0)
    """Of AdamW, at its highest."""
    batch_size: int = Field(default=32, ge=1)
    """Examples of one step."""

    def build(
        self, run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path
    ) -> Any:
        rows = self.rows(run, tokenizer, out)
        sizes = [len(row["input_ids"]) for row in rows]
        kept = fitting(rows, sizes, context_of(run.judge, model), self.drop_long)
        settings = self.arguments(run, out) | self.length | self.options
        return sft_trainer(model, tokenizer, kept, settings, self.batch_size, self.peft())

    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase, out: Path) -> list[Example]:
        """The examples it learns."""
        asked = Asker(run.judge, tokenizer)
        taught = self.lessons(run, out).demonstrations(run.judge.format, run.seed)
        return [asked.example(one.shown, one.answer) for one in taught]


ESTIMATORS: dict[str, dict[str, Any]] = {
    "group_norm": {"scale_rewards": "group"},
    "dr_grpo": {"scale_rewards": "none", "loss_type": "dr_grpo"},
    "reinforce_baseline": {"scale_rewards": "batch"},
}
"""What the estimators are in TRL's words."""


class Grpo(TrlTrainer):
    """GRPO on a source's tasks, both orders (or both responses) of each in every batch.

    Defaults follow J1 (section 4) where it says: rollouts at temperature 1 without clipping of
    the distribution; the KL coefficient is 0, as its largest model had.
    """

    name: ClassVar[str] = "grpo"
    learns: ClassVar[Learnt] = "tasks"
    learning_rate: float = Field(default=1e-6, gt=0)
    """Of AdamW, at its highest."""
    rewards: tuple[RewardStrategy, ...] = Field(default=(VerdictCorrectness(),), min_length=1)
    """What a rollout is rewarded for: the weighted sum of these."""
    tasks_per_step: int = Field(default=16, ge=1)
    """Tasks of one step; each gets `rollouts` completions of every presentation."""
    rollouts: int = Field(default=8, ge=2)
    """Completions per presentation: a GRPO group."""
    multitask: tuple[JudgmentFormat, ...] = ()
    """Formats trained in the same batches as the judge's own (`j1sdk.training.multitask`)."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Completions per forward pass and process; a whole step's unless given."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the rollouts."""
    kl: float = Field(default=0.0, ge=0)
    """Coefficient of the KL divergence from the starting model (TRL's beta)."""
    estimator: Literal["group_norm", "dr_grpo", "reinforce_baseline"] = "group_norm"
    """How rewards become advantages. All take the group's mean off; `group_norm` (GRPO) divides by
    the group's deviation, `reinforce_baseline` (REINFORCE++ with a baseline) by that of the whole
    batch, `dr_grpo` by nothing, and it sums tokens instead of averaging them (arXiv 2503.20783)."""

    def check(self, run: Run) -> None:
        super().check(run)
        parts_of(run.judge, self.multitask, self.rewards)

    def build(
        self, run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path
    ) -> Any:
        from trl import GRPOConfig

        from j1sdk.training.shared_prefix import SharedPrefixTrainer

        parts = parts_of(run.judge, self.multitask, self.rewards)
        asked = [Asker(part.judge, tokenizer) for part in parts]
        tasks = self.tasks(run, asked, context_of(run.judge, model))
        visits = self.visits(len(tasks))
        laid = lay_out(parts, islice(shuffled(tasks, run.seed), visits))
        per_task = len(laid) // visits
        settings = self.arguments(run, out) | self.sampling(run, visits, per_task)
        settings["reward_weights"] = [reward.weight for part in parts for reward in part.rewards]
        config = configured(GRPOConfig, settings | self.options)
        check_batch_shape(config, per_task)
        per_visit, read = (
            per_task // len(parts),
            partial(decode, tokenizer, **template_options(run.judge)),
        )
        return SharedPrefixTrainer(
            model=model,
            reward_funcs=functions_of(parts, laid, per_visit * config.num_generations, read),
            args=config,
            train_dataset=dataset([asked[place].prompt(one) for place, one in laid], per_visit),
            processing_class=tokenizer,
            peft_config=self.peft(),
        )

    def tasks(self, run: Run, asked: Sequence[Asker], context: int) -> list[JudgmentTask]:
        """The run's tasks that fit the context in every format; raises ConfigError, DataError."""
        room = context - run.judge.sampling.max_new_tokens
        return fitting_tasks(asked, self.source(run).load(), room, self.drop_long)

    def visits(self, count: int) -> int:
        """How many tasks are visited in all, counting repetitions; raises ConfigError."""
        steps = self.steps or int(self.epochs * count / self.tasks_per_step)
        if not count or not steps:
            raise ConfigError(
                f"{count} tasks do not fill one step of {self.tasks_per_step}: add data, or lower"
                " tasks_per_step"
            )
        return steps * self.tasks_per_step

    def sampling(self, run: Run, visits: int, per_task: int) -> dict[str, Any]:
        """TRL's settings for rollouts and the batches they come in; raises ConfigError."""
        from accelerate import PartialState

        processes = PartialState().num_processes
        if self.tasks_per_step % processes:
            raise ConfigError(
                f"tasks_per_step is {self.tasks_per_step}, which {processes} processes cannot share"
                f" in whole tasks: use a multiple of {processes}"
            )
        local = self.tasks_per_step * per_task * self.rollouts // processes
        micro = self.micro_batch or local
        if local % micro:
            fitting = max(size for size in range(1, micro + 1) if local % size == 0)
            raise ConfigError(
                f"micro_batch {micro} does not divide a step's {local} completions: set it to"
                f" {fitting}"
            )
        return {
            "per_device_train_batch_size": micro,
            "gradient_accumulation_steps": local // micro,
            "num_generations": self.rollouts,
            "max_completion_length": run.judge.sampling.max_new_tokens,
            "max_steps": visits // self.tasks_per_step,
            "temperature": self.temperature,
            "top_p": run.judge.sampling.top_p,
            "chat_template_kwargs": template_options(run.judge),
            "beta": self.kl,
            **ESTIMATORS[self.estimator],
            "shuffle_dataset": False,  # `shuffled` did, without parting siblings
        }


def configured(kind: Callable[..., Any], settings: dict[str, Any]) -> Any:
    """TRL's configuration of one kind; raises ConfigError for settings that TRL refuses."""
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"TRL does not take these settings: {error}") from error


def sft_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Example],
    arguments: dict[str, Any],
    batch_size: int,
    peft: Any = None,
) -> Any:
    """A TRL trainer on rows of token ids and labels (`example_tokens`)."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    settings = {
        "per_device_train_batch_size": batch_size,
        "dataset_kwargs": {"skip_prepare_dataset": True},  # an engine's tokens, not TRL's
    }
    config = configured(SFTConfig, settings | arguments)
    return SFTTrainer(
        model=model,
        args=config,
        processing_class=tokenizer,
        peft_config=peft,
        train_dataset=Dataset.from_list(list(rows)),
    )


def save_trained(
    run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path
) -> None:
    """Save as a judge: adapters merged, weights, tokenizer and the run that made it."""
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    asked_for = run.judge.engine.model_dump(exclude={"name", "model", "adapter", "gguf_file"})
    engine = Transformers.around(merged, tokenizer, **asked_for)
    save_judge(run.judge.replace(engine=engine), directory, run)
