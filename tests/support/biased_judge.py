"""The quickstart's judge as it is before its training, made without TRL, for vLLM's kernels.

    python tests/support/biased_judge.py    # some minutes; prints its folder

It learns from the same lessons and demonstrations. That takes minutes, so it is kept in a folder
that git ignores, under a name that changes with what makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import Lesson, batch, make_optimizers, pretrain, train_step
from j1sdk_quickstart.tasks import Arithmetic
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

import j1sdk
from j1sdk import PairwiseVerdict

CACHE = Path(__file__).parents[2] / ".cache" / "biased-judge"
SEED, STEPS, BATCH, BIAS = 0, 150, 64, 0.8
"""As the quickstart has it, in fewer steps, and with more bias: luck alone must not undo it."""
MADE_BY = ("arithmetic/models.py", "arithmetic/pretraining.py", "arithmetic/sums.py",
           "arithmetic/tasks.py", "formats/pairwise.py", "formats/pairwise_verdict.py",
           "formats/thinking.py", "formats/sections.py")  # fmt: skip


def biased_judge() -> Path:
    """The folder of its model, in bfloat16, and tokenizer."""
    folder = CACHE / fingerprint()
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as partial:
            make(made := Path(partial) / "made")
            if not folder.exists():  # another process may have been as quick
                made.replace(folder)
    return folder


def fingerprint() -> str:
    """Of the code and versions that make it."""
    package = Path(j1sdk.__file__).parent
    sources = [Path(__file__), *(package / name for name in MADE_BY)]
    text = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(text + torch.__version__.encode()).hexdigest()[:16]


def make(folder: Path) -> None:
    tokenizer = make_tokenizer([PairwiseVerdict()])
    model = make_model(tokenizer, SEED, head_dim=32)
    pretrain(model, tokenizer, 6000, SEED)
    warm_start(model, tokenizer)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def warm_start(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Teach it to judge, and to say A too often."""
    lessons, optimizers = demonstrated(tokenizer), make_optimizers(model)
    for step in range(STEPS):
        rows = batch(tokenizer, list(islice(lessons, BATCH)))
        train_step(model, optimizers, rows, scale=min((step + 1) / 20, 1 - step / STEPS))


def demonstrated(tokenizer: PreTrainedTokenizerFast) -> Iterator[Lesson]:
    format, end = PairwiseVerdict(), str(tokenizer.eos_token)
    source = Arithmetic(seed=SEED + 1, limit=STEPS * BATCH, held_out=False, bias=BIAS)
    for one in source.demonstrations(format, SEED):
        yield Lesson(format.render(one.shown), one.answer + end)


if __name__ == "__main__":
    print(biased_judge())
