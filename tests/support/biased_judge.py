"""The quickstart's judge as it is before its training, made without TRL, for vLLM's kernels.

    python tests/support/biased_judge.py 0 1    # a minute or two for each seed; prints its folder

It learns from the same lessons and demonstrations. That takes a while, so it is kept in a folder
that git ignores, under its seed and a hash of what makes it: code, torch, and torch's kernels.
"""

from __future__ import annotations

import hashlib
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import (
    BATCH,
    Lesson,
    batch,
    demonstrated,
    learn_to_judge,
    make_optimizers,
    pretrain,
    train_step,
)
from j1sdk_quickstart.tasks import Arithmetic, thought
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from j1sdk import PairwiseVerdict
from j1sdk.types import Presentation, presentations

CACHE = Path(__file__).parents[2] / ".cache" / "biased-judge"
BIAS, GENTLY, STEPS = 0.95, 0.1, 250
"""Once it judges well it is shown A nineteen times of twenty where B is right, at a tenth of the
learning rate, until it has settled: after some 200 steps its log odds of A after thinking B are
those of the demonstrations, logit(0.95) = 2.9, while they stay above 7 after thinking A.

At the full rate, or stopped on the way, they are not: after 30 steps at the full rate A was as
likely whatever it thought, and on the way at a tenth of it some said neither. Of two verdicts that
are equally likely whatever was thought no reward can tell which one followed from the thought, and
such starts learnt little. Bias of 0.88 was undone by luck: one of five that were trained by tosses.
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
    learn_to_judge(model, tokenizer, seed)
    optimizers = make_optimizers(model)
    biased = demonstrated(tokenizer, seed, STEPS, bias=BIAS, neither=0.0)
    for _ in range(STEPS):
        train_step(model, optimizers, batch(tokenizer, list(islice(biased, BATCH))), GENTLY)


class Odds(NamedTuple):
    """What a judge makes of right thoughts, on average over pairs."""

    first: float
    """Log odds of A against B where A is right, in nats."""
    second: float
    """And where B is."""
    thought: float
    """The chance to think right at T = 1, in both orders."""
    verdict: float
    """The chance to say A or B after a right thought."""


@torch.no_grad()
def odds_of(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, pairs: int = 100) -> Odds:
    """Of pairs that no training shows."""
    first, second = (
        [verdict_odds(model, tokenizer, presentations(task, 2)[place]) for task in tasks]
        for tasks in [Arithmetic(seed=100, limit=pairs).load()]
        for place in (0, 1)
    )
    return Odds(
        fmean(odds for odds, _, _ in first),
        fmean(odds for odds, _, _ in second),
        fmean(one[1] * other[1] for one, other in zip(first, second, strict=True)),
        fmean(said for _, _, said in (*first, *second)),
    )


def verdict_odds(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, shown: Presentation
) -> tuple[float, float, float]:
    """The log odds of A against B after the right thought; the chances of it, and of A or B."""
    format = PairwiseVerdict()
    answers = [format.write(scores, thought(shown)) for scores in ((1, 0), (0, 1))]
    lessons = [Lesson(format.render(shown), answer) for answer in answers]
    ids, labels = batch(tokenizer, lessons)
    chances = model(input_ids=ids).logits[:, :-1].log_softmax(-1)
    of_labels = chances.gather(-1, ids[:, 1:, None])[..., 0] * (labels[:, 1:] != -100)
    same = (ids[0, 1:] == ids[1, 1:]).cumprod(0).bool()
    odds = float(of_labels[0].sum() - of_labels[1].sum())
    said = of_labels[:, same.sum()].exp().sum()
    return odds, float(of_labels[0][same].sum().exp()), float(said)


if __name__ == "__main__":
    for seed in map(int, sys.argv[1:]):
        print(biased_judge(seed))
