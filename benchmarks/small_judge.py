"""For benchmarks of the way to a model and not of the model: real pairs, and a small judge.

The judge is a random Qwen3 of 1.1 million parameters. It writes nonsense, at the speed of a
model so small that whatever is slow around it shows.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from j1sdk import JudgmentTask
from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.vllm import VLLM

SHARED = Path(__file__).parents[2] / "shared" / "data"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
VOCABULARY = 4096
CONTEXT = 4096
SEED = 0
SURROUNDINGS = {
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}


def real_pairs(count: int, path: Path | None) -> list[JudgmentTask]:
    """`count` pairs of a JSON lines file, or of LLMBar, EvalBiasBench and GSM8K; ends without."""
    if path is None and not SHARED.is_dir():
        print(f"skipped: shared data not found at {SHARED}; give --pairs FILE", file=sys.stderr)
        sys.exit(0)
    pairs = list(islice(JsonLines(path=path).tasks() if path else shared_pairs(), count))
    if len(pairs) < count:
        print(f"only {len(pairs)} pairs, not {count}", file=sys.stderr)
    return pairs


def shared_pairs() -> Iterator[JudgmentTask]:
    for path in sorted(SHARED.glob("LLMBar/**/dataset.json")):
        for pair in json.loads(path.read_text(encoding="utf-8")):
            yield _task(pair["input"], pair["output_1"], pair["output_2"])
    biases = SHARED / "offsetbias/data/evalbiasbench/biasbench.json"
    for group in json.loads(biases.read_text(encoding="utf-8")).values():
        for pair in group:
            yield _task(pair["instruction"], pair["response1"], pair["response2"])
    sums = SHARED / "grade-school-math/grade_school_math/data/example_model_solutions.jsonl"
    for line in sums.read_text(encoding="utf-8").split("\n"):
        if line:
            known = json.loads(line)
            solutions = (known[size]["solution"] for size in ("6b_finetuning", "175b_finetuning"))
            yield _task(known["question"], *solutions)


def _task(prompt: str, first: str, second: str) -> JudgmentTask:
    return JudgmentTask(prompt=prompt, responses=(first, second))


def small_judge(directory: Path, texts: Iterable[str], **options: Any) -> VLLM:
    """The engine of a judge made for these texts."""
    os.environ.update({name: os.environ.get(name, value) for name, value in SURROUNDINGS.items()})
    tokenizer = _tokenizer(texts)
    _model(len(tokenizer), tokenizer.eos_token_id).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return VLLM(
        model=str(directory),
        dtype="bfloat16",
        enforce_eager=True,
        gpu_memory_utilization=0.2,
        options=options,
    )


def _tokenizer(texts: Iterable[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    bare.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHATML,
    )


def _model(vocabulary: int, end: int) -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(SEED)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        eos_token_id=end,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    return Qwen3ForCausalLM(config).to(torch.bfloat16)


def vllm_version() -> str:
    """For the record: its CPU build is not distributed under its name."""
    import vllm

    return str(vllm.__version__)


def texts_of(tasks: Sequence[JudgmentTask]) -> Iterator[str]:
    """What a tokenizer for these pairs is made from."""
    for task in tasks:
        yield from (message.content for message in task.prompt)
        yield from task.responses
