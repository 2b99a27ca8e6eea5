"""The tiny tokenizer and model: plain transformers objects, made here instead of downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from j1sdk import JudgmentTask, Presentation
from j1sdk.formats import JudgmentFormat

CONTEXT = 1024
WORDS = ("; A", "; B", " right", " wrong", "system\n", "user\n", "assistant\n")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer(formats: Iterable[JudgmentFormat]) -> PreTrainedTokenizerFast:
    """Bytes, so that any text can be shown, and one token for each constant passage.

    A judge's instructions are some nine hundred bytes long and always the same. As one token they
    cost a tiny model nothing, while the prompt stays word for word that of a large judge.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    known = {token for format in formats for token in (*format.markers, *passages(format))}
    whole = [AddedToken(token, normalized=False) for token in (*WORDS, *sorted(known))]
    tokenizer.add_tokens(whole)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        model_max_length=CONTEXT,
        additional_special_tokens=["<|im_start|>"],
        clean_up_tokenization_spaces=False,
    )


def passages(format: JudgmentFormat) -> Iterator[str]:
    """What a format says in every prompt: its rendering without the parts that vary."""
    holes = ("\x01request\x01", "\x01first\x01", "\x01second\x01")
    task = JudgmentTask(prompt=holes[0], responses=holes[1:])
    shown = Presentation(task=task, order=tuple(range(format.arity)))
    text = format.render(shown)[0].content
    for hole in holes:
        text = text.replace(hole, "\0")
    yield from (passage for passage in text.split("\0") if len(passage) > 1)


def make_model(
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    hidden: int = 64,
    layers: int = 3,
    head_dim: int | None = None,
) -> Qwen3ForCausalLM:
    """A Qwen3-architecture model with random weights; 0.2M parameters as it comes.

    Its four attention heads share out `hidden`, unless `head_dim` says otherwise: vLLM has kernels
    for certain sizes only, 32 the smallest.
    """
    torch.manual_seed(seed)
    heads = 4
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=head_dim or hidden // heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype=torch.float32,
    )
    return Qwen3ForCausalLM(config)
