"""Every chat template in the TRL wheel and three older ones, each with its own tokenizer."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OLDER = {
    "mistral": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}"
        "[/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    ),
    "llama2": (
        "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content }}"
        " [/INST]{% else %} {{ m.content }} {{ eos_token }}{% endif %}{% endfor %}"
    ),
    "zephyr": (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
    ),
}
END = "<|fin|>"
"""The tokenizer's own end, which is another than most templates write."""
TURN_ENDS = {
    "cohere": "<|END_OF_TURN_TOKEN|>", "deepseek": "<\uff5cend\u2581of\u2581sentence\uff5c>",
    "diffusion_gemma": "<turn|>", "gemma4": "<turn|>", "gemma": "<end_of_turn>",
    "glm4moe_training": "<|user|>", "glm4moe": END, "gptoss": "<|return|>",
    "idefics3": "<end_of_utterance>", "smolvlm": "<end_of_utterance>", "lfm2": "<|im_end|>",
    "llama3": "<|eot_id|>", "llama2": END, "llava_next": END, "mistral": END, "zephyr": END,
    "muse_glimmer": "<|eot|>", "nemotron": "<|im_end|>", "phi": "<|end|>", "qwen": "<|im_end|>",
}  # fmt: skip
"""What ends a turn, by how a template's name begins; the first that fits counts."""
OPENED = (
    "deepseek", "nemotron", "qwen3_5_think", "qwen3_6", "qwen3_8",
)  # fmt: skip
"""How the names begin of templates whose prompt leaves thinking open."""
SPELT = re.compile(r"<\|[^|<>\s'+]+\|>|<\uff5c[^\uff5c\s]+\uff5c>|</?\w+_of_\w+>|<\|turn>|<turn\|>")
PLAIN = ("mistral", "llama2", "zephyr")
"""Templates whose words are plain text to their tokenizers, but for the end."""


def _folder() -> Path:
    spec = find_spec("trl")
    assert spec and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "chat_templates"


NAMES = [*OLDER, *sorted(path.stem for path in _folder().glob("*.jinja"))]


def turn_end(name: str) -> str:
    return next(end for begun, end in TURN_ENDS.items() if name.startswith(begun))


@cache
def tokenizer_of(name: str) -> Any:
    """A tokenizer of bytes, to which the words of the template are tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    template = OLDER.get(name) or (_folder() / f"{name}.jinja").read_text(encoding="utf-8")
    words = {*SPELT.findall(template)} if name not in PLAIN else set()
    words |= {f"<|{role}|>" for role in ("system", "user", "assistant")} if "phi" in name else set()
    special = ["<|begin|>", END, "<|pad|>", *sorted(words | {turn_end(name)})]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(
        models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[])
    )
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token=special[0], eos_token=END, pad_token=special[2],
        additional_special_tokens=list(dict.fromkeys(special)), chat_template=template,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
