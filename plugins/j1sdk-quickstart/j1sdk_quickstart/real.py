"""The quickstart on language: a pretrained model becomes a judge of solutions to word problems.

Demonstrations teach it the form, and to say A too often; GRPO with both orders and a verifiable
reward is to mend that. Beside it: the same by labels drawn by lot, and more demonstrations, without
the bias, for as long.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from j1sdk import (
    JudgeResult,
    JudgeRewardModel,
    JudgmentTask,
    PairwiseVerdict,
    Sampling,
    Transformers,
    Value,
)
from j1sdk.evaluation import measure
from j1sdk.evaluation.metrics import by_subset
from j1sdk.training import Grpo, Progress, Sft
from j1sdk.training.trl import Lora
from j1sdk_quickstart.staged import Stage, Staged, kept
from j1sdk_quickstart.word_problems import KINDS, PUBLISHED, WordProblems, by_shared_words

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
ARMS = {
    "untaught": "as it comes",
    "warm_start": "after SFT, with a bias",
    "labels": "then GRPO",
    "tosses": "control: GRPO by lots",
    "taught": "control: SFT for as long",
}
"""What the judges are called, by the names in the metrics."""
ALL = "all pairs"
PER_ROLLOUT, PER_DEMONSTRATION, PER_JUDGMENT = 7.0, 9.5, 4.0
"""CPU seconds to train on a rollout and on a demonstration, and to judge a pair in one order: as
measured with SmolLM2-135M on one core of an AMD EPYC without instructions for bfloat16."""
AT_ONCE = 128
"""Pairs judged between two reports of progress."""
BATCH = 8
"""Demonstrations of one step."""
STEADY = {"lr_scheduler_type": "constant_with_warmup", "warmup_steps": 2}


class RealSizes(Value):
    """How much of everything; the defaults are for two cores."""

    demonstrations: int = Field(default=320, ge=8)
    """Examples of the warm start."""
    bias: float = Field(default=0.6, ge=0, le=1)
    """Share of verdicts that name A although B is right, in those."""
    steps: int = Field(default=20, ge=1)
    """Of GRPO."""
    tasks_per_step: int = Field(default=8, ge=1)
    """Pairs of one step, each in both orders."""
    rollouts: int = Field(default=4, ge=2)
    """Of each pair in each order."""
    micro_batch: int | None = 8
    """Rollouts per forward pass: what bounds the memory."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Of GRPO's adapters."""
    held_out: int = Field(default=96, ge=2)
    """Pairs to evaluate on, half of each kind."""

    @classmethod
    def fitting(cls) -> RealSizes:
        """Sizes for this machine: on a GPU more of everything in less time."""
        import torch

        if not torch.cuda.is_available():
            return cls()
        return cls(demonstrations=1600, steps=40, rollouts=8, micro_batch=64, held_out=400)

    @classmethod
    def small(cls) -> RealSizes:
        """Sizes that show the way in minutes, though nothing is learnt."""
        return cls(demonstrations=16, steps=1, tasks_per_step=2, rollouts=2, held_out=4)


class RealQuickstart(Staged):
    """One run of the quickstart on language, in one folder."""

    stages: ClassVar[tuple[Stage, ...]] = (
        ("judged_untaught", "Evaluate the model as it comes"),
        ("warm_start", "Teach it to judge, with a position bias (SFT)"),
        ("judged_warm_start", "Evaluate the biased judge"),
        ("labels", "Train it by verifiable rewards, both orders in every batch (GRPO)"),
        ("judged_labels", "Evaluate the trained judge"),
        ("tosses", "Control: the same by labels drawn by lot"),
        ("judged_tosses", "Evaluate it"),
        ("taught", "Control: more demonstrations, without the bias, for as long (SFT)"),
        ("judged_taught", "Evaluate it"),
    )

    def __init__(
        self,
        out: Path,
        seed: int = 0,
        sizes: RealSizes | None = None,
        model: str = MODEL,
        problems: Path = PUBLISHED,
    ) -> None:
        self.sizes, self.model, self.problems = sizes or RealSizes.fitting(), model, problems
        asked = {"sizes": self.sizes.model_dump(), "model": model, "problems": str(problems)}
        super().__init__(out, seed, asked)

    def estimate(self) -> str:
        """How long it will take, in words: on a CPU, by what was measured on one."""
        sizes = self.sizes
        rollouts = 2 * sizes.steps * sizes.tasks_per_step * sizes.rollouts
        if device() != "cpu":
            return f"Three trainings, {rollouts:,} rollouts in each of two, on {device()}."
        seconds = PER_DEMONSTRATION * sizes.demonstrations + 3 * PER_ROLLOUT * rollouts
        seconds += PER_JUDGMENT * 2 * (4 * sizes.held_out + min(40, sizes.held_out))
        return f"About {seconds / 2 / 60:.0f} minutes on two idle cores."

    def metrics(self) -> dict[str, Any]:
        judged = {arm: self.result(f"judged_{arm}") for arm in ARMS}
        shown = self.held_out()
        kinds = {kind: [one for one in shown if one.subset == kind] for kind in KINDS}
        return {
            "judge": {arm: found["metrics"] for arm, found in judged.items()},
            "verdicts": {arm: found["verdicts"] for arm, found in judged.items()},
            "shared_words": {kind: by_shared_words(tasks) for kind, tasks in kinds.items()},
            "device": device(),
            **self.circumstances(),
        }

    def warm_start(self, progress: Progress) -> Any:
        sizes = self.sizes
        data = self.data(1, limit=sizes.demonstrations, bias=sizes.bias)
        lessons = self.lessons(sizes.demonstrations // BATCH)
        return self.learn("warm_start", self.first(), data, lessons, progress)

    def labels(self, progress: Progress) -> Any:
        learnt = self.reinforce("labels", progress)
        shutil.copytree(self.judge_of("labels"), self.out / "judge", dirs_exist_ok=True)
        return learnt

    def tosses(self, progress: Progress) -> Any:
        return self.reinforce("tosses", progress, tossed=True)

    def taught(self, progress: Progress) -> Any:
        """As many steps as the time that GRPO took has room for."""
        each = self.read("warm_start")["seconds"] / (self.sizes.demonstrations // BATCH)
        steps = max(1, round(self.read("labels")["seconds"] / each))
        judge = JudgeRewardModel.load(self.judge_of("warm_start"))
        return self.learn("taught", judge, self.data(2), self.lessons(steps), progress)

    def work(self, stage: str, progress: Progress) -> Any:
        """A stage, or the evaluation of the judge it left: `judged_` and its name."""
        arm = stage.removeprefix("judged_")
        if arm == stage:
            return super().work(stage, progress)
        if arm == "untaught":  # of which a few pairs are enough: it hardly ever says a verdict
            return self.judged(self.first(), self.held_out()[:40], progress)
        return self.judged(JudgeRewardModel.load(self.judge_of(arm)), self.held_out(), progress)

    def reinforce(self, arm: str, progress: Progress, tossed: bool = False) -> Any:
        """Train the biased judge by a reward that is 1 for the preferred response."""
        sizes = self.sizes
        trainer = Grpo(
            steps=sizes.steps,
            tasks_per_step=sizes.tasks_per_step,
            rollouts=sizes.rollouts,
            micro_batch=sizes.micro_batch,
            learning_rate=sizes.learning_rate,
            lora=upper_layers(self.model),
            logging_steps=1,
            save_steps=10,
            report_to=(),
            options=STEADY,
        )
        judge = JudgeRewardModel.load(self.judge_of("warm_start"))
        return self.learn(arm, judge, self.data(2, tossed=tossed), trainer, progress)

    def lessons(self, steps: int) -> Sft:
        return Sft(
            steps=steps,
            batch_size=BATCH,
            learning_rate=5e-4,
            lora=upper_layers(self.model),
            logging_steps=5,
            report_to=(),
            options=STEADY,
        )

    def data(self, use: int, **options: Any) -> WordProblems:
        """Problems to train on: drawn anew, or in another order, for each use."""
        return WordProblems(path=self.problems, seed=10 * self.seed + use, **options)

    def held_out(self) -> list[JudgmentTask]:
        """Pairs of problems that no training shows."""
        size = self.sizes.held_out
        return WordProblems(path=self.problems, seed=self.seed, held_out=True, limit=size).load()

    def first(self) -> JudgeRewardModel:
        """The model as it comes, asked to judge."""
        cpu = device() == "cpu"
        dtype, size = ("float32", 64) if cpu else ("bfloat16", 256)
        engine = Transformers(model=self.model, dtype=dtype, context=2048, batch_size=size)
        sampling = Sampling(max_new_tokens=80)
        return JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling)

    def judged(
        self, judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], progress: Progress
    ) -> dict[str, Any]:
        """What the judge greedily says of pairs: in all, and of each kind."""
        results: list[JudgeResult] = []
        for start in range(0, len(tasks), AT_ONCE):
            results += judge.judge(tasks[start : start + AT_ONCE])
            progress(len(results), len(tasks))
        by_kind = {ALL: measure(results), **by_subset(results)}
        return {
            "metrics": {kind: found.model_dump() for kind, found in by_kind.items()},
            **kept(results),
        }


def upper_layers(model: str) -> Lora:
    """Adapters on the upper two thirds: gradients need not be taken through the layers below."""
    from transformers import AutoConfig

    count = AutoConfig.from_pretrained(model).get_text_config().num_hidden_layers
    upper = "|".join(map(str, range(count // 3, count)))
    return Lora(dropout=0.0, target_modules=rf".*layers\.({upper})\..*_proj")


def device() -> str:
    """What a judge runs on here: the name of the GPU, or `cpu`."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
