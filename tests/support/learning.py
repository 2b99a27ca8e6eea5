"""A judge that learns in the real OpenRLHF: its runs, a control for them, and what was learnt."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

from j1sdk_openrlhf.cluster import Cluster
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk import JudgeResult, JudgeRewardModel, PairwiseVerdict, Sampling, Source, Transformers
from j1sdk.data.jsonl import JsonLines
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run


class Recipe(NamedTuple):
    """How a judge of sums is trained."""

    steps: int
    tasks: int = 16
    """Per step; each is shown in both orders."""
    rollouts: int = 4
    """Of each presentation."""
    learning_rate: float = 1e-3
    schedule: str = "constant"
    """Of the learning rate. OpenRLHF's own falls along a cosine to a tenth."""
    estimator: str = "rloo"


RECIPE = Recipe(steps=30)
"""Chosen on pilot starts, and its length with it: benchmarks/results/openrlhf_learning.md."""
TESTED = RECIPE._replace(steps=10)
"""What a test runs: a third of it, chosen by what was recorded of three starts. By then labels had
taught all of them, and tosses none by luck, so that a new start is least likely to fail there."""


def judge_in(model: Path) -> JudgeRewardModel:
    """The judge of pairs whose weights are in a folder, at temperature 0."""
    engine = Transformers(model=str(model), device="cpu", dtype="float32", batch_size=128)
    return JudgeRewardModel(
        format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=48)
    )


def run_of(
    start: Path, data: Source, recipe: Recipe, options: dict[str, Any] | None = None, **cluster: Any
) -> Run:
    """The training of the judge in `start`, in what the CPU has for a cluster."""
    train = OpenRLHF.model_validate(
        {
            "learning_rate": recipe.learning_rate, "tasks_per_step": recipe.tasks,
            "rollouts": recipe.rollouts, "rewards": (VerdictCorrectness(),),
            "estimator": recipe.estimator,
            "cluster": Cluster(gpus_per_node=1, gpu_memory=0.1, tokens_per_gpu=1024, **cluster),
            "options": {
                "vllm.enforce_eager": True, "actor.lr_scheduler": recipe.schedule,
                "actor.lr_warmup_ratio": 0, **(options or {}),
            },
        }
    )  # fmt: skip
    return Run(judge=judge_in(start), data=data, train=train, seed=7)


def sums(recipe: Recipe, seed: int) -> Arithmetic:
    """The tasks of a whole training, whose preferred response is the right one."""
    return Arithmetic(seed=seed, limit=recipe.steps * recipe.tasks, held_out=False)


def tossed(source: Source, path: Path, seed: int = 0) -> JsonLines:
    """The same tasks; which response is preferred is a toss."""
    generator, lines = random.Random(seed), []
    for task in source.load():
        chosen, rejected = generator.sample(task.responses, 2)
        asked = task.prompt[0].content
        lines.append({"prompt": asked, "chosen": chosen, "rejected": rejected, "id": task.id})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return JsonLines(path=path)


def judged(model: Path, pairs: int, temperature: float = 0.0, seed: int = 0) -> list[JudgeResult]:
    """What the judge in a folder says of sums that no training shows."""
    sampling = Sampling(temperature=temperature, max_new_tokens=48, seed=seed)
    judge = judge_in(model).model_copy(update={"sampling": sampling})
    return judge.judge(Arithmetic(seed=100, limit=pairs).load())
