"""The quickstart's judge as it is before its training, made without TRL, for vLLM's kernels.

    python tests/support/biased_judge.py 0 1    # a minute or two for each seed; prints its folder

It learns from the same lessons and demonstrations. That takes a while, so it is kept in a folder
that git ignores, under its seed and a hash of what makes it: code, torch, and torch's kernels.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import Lesson, batch, make_optimizers, pretrain, train_step
from j1sdk_quickstart.tasks import Arithmetic
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from j1sdk import PairwiseVerdict

CACHE = Path(__file__).parents[2] / ".cache" / "biased-judge"
BATCH, MASTERED, MOST, STEPS, BIAS = 64, 0.01, 1000, 75, 0.8
"""Of the warm start. It judges without bias until that is mastered, and then, for some steps, with
more bias than the quickstart's: luck alone must not undo it. By biased demonstrations alone, in so
few steps, some judges learn to say A nine times out of ten whatever they thought. Of two such
verdicts no reward can tell which one followed from the thought.
"""
MADE_BY = (
    "j1sdk_quickstart.models",
    "j1sdk_quickstart.pretraining",
    "j1sdk_quickstart.sums",
    "j1sdk_quickstart.tasks",
    "j1sdk.formats.pairwise",
    "j1sdk.formats.pairwise_verdict",
)
"""Modules that decide what it learns."""


def biased_judge(seed: int = 0) -> Path:
    """The folder of its model, in bfloat16, and tokenizer."""
    folder = CACHE / f"{seed}-{fingerprint()}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as partial:
            make(made := Path(partial) / "made", seed)
            if not folder.exists():  # another process may have been as quick
                made.replace(folder)
    return folder


def fingerprint() -> str:
    """Of the code, torch's build, and the instructions of the processor that it computes with."""
    modules = [import_module(name).__file__ for name in MADE_BY]
    sources = [Path(str(file)) for file in (__file__, *modules)]
    text = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(text + torch.__config__.show().encode()).hexdigest()[:16]


def make(folder: Path, seed: int) -> None:
    tokenizer = make_tokenizer([PairwiseVerdict()])
    model = make_model(tokenizer, seed, head_dim=32)
    pretrain(model, tokenizer, 6000, seed)
    warm_start(model, tokenizer, seed)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def warm_start(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
    """Teach it to judge by what it thought, and then to say A too often."""
    optimizers, mean, step = make_optimizers(model), 1.0, 0
    fair = demonstrated(tokenizer, seed, MOST, bias=0.0, neither=0.0)
    while mean > MASTERED and step < MOST:
        rows, step = batch(tokenizer, list(islice(fair, BATCH))), step + 1
        mean = 0.9 * mean + 0.1 * train_step(model, optimizers, rows, min(step / 20, 1.0))
    biased = demonstrated(tokenizer, seed, STEPS, bias=BIAS)
    for left in range(STEPS, 0, -1):
        train_step(model, optimizers, batch(tokenizer, list(islice(biased, BATCH))), left / STEPS)


def demonstrated(
    tokenizer: PreTrainedTokenizerFast, seed: int, steps: int, **options: float
) -> Iterator[Lesson]:
    format, end = PairwiseVerdict(), str(tokenizer.eos_token)
    source = Arithmetic.model_validate(
        {"seed": seed + 1, "limit": steps * BATCH, "held_out": False, **options}
    )
    for one in source.demonstrations(format, seed):
        yield Lesson(format.render(one.shown), one.answer + end)


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        print(biased_judge(seed))
