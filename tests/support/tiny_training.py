"""A judge of a few thousand parameters, and runs that train it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from learnt import START
from transformers import AutoModelForCausalLM, AutoTokenizer

from j1sdk.engines.transformers import Transformers
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import Run, build_run
from j1sdk.training.layout import Asker
from j1sdk.types import Presentation

QUIET = {"report_to": [], "logging_steps": 1}
FORMAT = PairwiseVerdict()
A, B = FORMAT.write((1.0, 0.0)), FORMAT.write((0.0, 1.0))
"""What a judge writes that thinks nothing."""


def untrained(folder: Path) -> Path:
    """Random weights, and a tokenizer to which each format's instructions are one token."""
    tokenizer = make_tokenizer([FORMAT, Pointwise()])
    make_model(tokenizer, seed=START, hidden=32, layers=1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


SPEAKS = QUIET | {"name": "sft", "steps": 60, "batch_size": 8, "learning_rate": 1e-2}
"""Fine-tuning after which the judge writes in its format most of the time, and knows nothing."""


def write_pairs(path: Path, count: int = 64) -> Path:
    """So many sums with a right and a wrong answer."""
    lines = [
        {"prompt": f"{n}+1?", "chosen": str(n + 1), "rejected": str(n + 2), "id": f"sum-{n}"}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def described(model: Path, data: Path, train: Any, **judge: Any) -> Run:
    """A run of the tiny judge on a file of pairs."""
    engine = {"name": "transformers", "model": str(model), "dtype": "float32", "device": "cpu"}
    default = {"format": "pairwise-verdict", "engine": engine, "sampling": {"max_new_tokens": 14}}
    source = {"name": "jsonl", "path": str(data)}
    return build_run({"judge": default | judge, "data": source, "train": train, "seed": 3})


def train(run: Run, out: Path, **options: Any) -> list[dict[str, Any]]:
    """The run's trainer, run."""
    assert run.train is not None
    return run.train.train(run, out, **options)


def some(pairs: Path, limit: int = 8) -> dict[str, Any]:
    """The first of the pairs, as a phase's own data."""
    return {"data": {"name": "jsonl", "path": str(pairs), "limit": limit}}


def logged(history: Sequence[dict[str, Any]], key: str) -> list[float]:
    """What was logged under a name, oldest first."""
    return [entry[key] for entry in history if key in entry]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    """The weights of a saved judge."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(before: Path, after: Path) -> bool:
    """Whether two judges differ in a weight."""
    first, second = weights(before), weights(after)
    return any(not torch.equal(first[name], second[name]) for name in first)


def margins(judge: Path, shown: Sequence[Presentation], first: str, second: str) -> list[float]:
    """By how many nats a judge would rather write the first text than the second."""
    model = AutoModelForCausalLM.from_pretrained(judge).eval()
    tokenizer = AutoTokenizer.from_pretrained(judge)
    engine = Transformers(model=str(judge))
    asked = Asker(JudgeRewardModel(format=FORMAT, engine=engine), tokenizer)
    likely = []
    for one in shown:
        row = asked.preference(one, first, second)
        likely.append([_likelihood(model, row["prompt_ids"], row[key])
                       for key in ("chosen_ids", "rejected_ids")])  # fmt: skip
    return [chosen - rejected for chosen, rejected in likely]


@torch.no_grad()
def _likelihood(model: Any, prompt: list[int], answer: list[int]) -> float:
    logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
    chances = logits.log_softmax(-1)
    return float(chances[range(len(answer)), answer].sum())
