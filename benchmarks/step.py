"""Where the time of a GRPO step goes, with and without a prompt shared by its rollouts.

    python benchmarks/step.py    # needs `make real-model`; some five minutes of one core

Both ways take turns on the same pairs, from the same weights: 2 pairs in 2 orders with 4 rollouts.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.real import upper_layers
from j1sdk_quickstart.tasks import Arithmetic
from recording import Row, parser, record
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOTrainer

from j1sdk import JudgeRewardModel, PairwiseVerdict, Run, Sampling, Transformers
from j1sdk.training.trl import Grpo

MODEL = Path(__file__).parents[1] / ".cache" / "real-model" / "SmolLM2-135M-Instruct"
WAYS = {"shared": None, "as TRL has it": GRPOTrainer}
PARTS = {"_generate_single_turn": "sampling", "training_step": "learning, and all"}


def made(model: Path, out: Path, steps: int, tokens: int) -> Any:
    """A trainer of the upper layers' adapters, as `j1 quickstart --real` has it."""
    engine = Transformers(model=str(model), dtype="float32", device="cpu")
    judge = JudgeRewardModel(
        format=PairwiseVerdict(), engine=engine, sampling=Sampling(max_new_tokens=tokens)
    )
    opened = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    lora = upper_layers(str(model))
    grpo = Grpo(steps=steps, tasks_per_step=2, rollouts=4, micro_batch=8, lora=lora, report_to=())
    run = Run(judge=judge, data=Arithmetic(limit=2), train=grpo, seed=0)
    return grpo.build(run, opened, AutoTokenizer.from_pretrained(model), out)


def watch(trainer: Any, spent: Counter[str]) -> None:
    """Add up the CPU seconds of a trainer's parts from now on."""

    def timed(name: str, label: str) -> Callable[..., Any]:
        work: Callable[..., Any] = getattr(trainer, name)

        def watched(*given: Any, **options: Any) -> Any:
            began = time.process_time()
            result = work(*given, **options)
            spent[label] += time.process_time() - began  # type: ignore[assignment]
            return result

        return watched

    for name, label in PARTS.items():
        setattr(trainer, name, timed(name, label))


def measure(model: Path, steps: int, tokens: int) -> list[Row]:
    """A row for each part: CPU seconds of a step, both ways."""
    spent: dict[str, Counter[str]] = {}
    for way, kind in WAYS.items():
        with TemporaryDirectory() as folder:
            trainer = made(model, Path(folder), steps, tokens)
            trainer.__class__ = kind or trainer.__class__
            watch(trainer, spent.setdefault(way, Counter()))
            trainer.train()
        spent[way]["learning"] = spent[way].pop(PARTS["training_step"]) - spent[way]["sampling"]
        spent[way]["step"] = sum(spent[way].values())
    ours, theirs = spent.values()
    return [
        {
            "part": part,
            "CPU seconds, prompt shared": ours[part] / steps,
            "CPU seconds, as TRL has it": theirs[part] / steps,
            "ratio": ours[part] / theirs[part],
        }
        for part in ("sampling", "learning", "step")
    ]


def tiny(folder: Path) -> Path:
    """A model that is made at once, to see that it runs."""
    tokenizer = make_tokenizer([PairwiseVerdict()])
    make_model(tokenizer, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> int:
    """1 where there is no model."""
    options = parser((__doc__ or "").splitlines()[0])
    options.add_argument("--model", type=Path, default=MODEL, help="a model's folder")
    options.add_argument("--tokens", type=int, default=64, help="of a rollout, at most")
    chosen = options.parse_args()
    if not chosen.quick and not chosen.model.exists():
        print(f"{chosen.model} is not there: make real-model, or give --model", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        rows = measure(tiny(Path(folder)), 1, 8)  # what is loaded and compiled but once
        if not chosen.quick:
            rows = measure(chosen.model, 1, chosen.tokens)
    facts = {"step": "2 pairs x 2 orders x 4 rollouts", "threads": 1}
    title = "A GRPO step on a CPU, with the prompt computed once for its rollouts"
    record("step", title, rows, chosen.out, **facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
