"""Whether a tokenizer gives a prompt back, which OpenRLHF's reward functions depend on."""

from __future__ import annotations

from typing import Any

import pytest
from j1sdk_openrlhf.prompts import check_round_trip

from j1sdk import ConfigError
from j1sdk.adapters.openrlhf import items_of
from j1sdk.adapters.texts import TextOptions

PROMPT = "<s>[INST] Why? [/INST]"


def tokenizer(lower: bool = False) -> Any:
    """As sentencepiece's are in transformers: a space before what follows a special token."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    letters = ["<unk>", "<s>", "</s>", "▁", *map(chr, range(33, 127))]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    case = [normalizers.Lowercase()] if lower else []
    spaces = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    bare.normalizer = normalizers.Sequence([*case, *spaces])
    bare.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def query(made: Any, response: str) -> str:
    """As OpenRLHF makes it: prompt and response as tokens, then as one text."""
    parts = [made(text, add_special_tokens=False)["input_ids"] for text in (PROMPT, response)]
    return str(made.decode([*parts[0], *parts[1]], skip_special_tokens=False))


def test_a_response_is_found_where_white_space_has_changed() -> None:
    made = tokenizer()
    sent = query(made, "Because.</s>")
    assert sent == "<s> [INST] Why? [/INST] Because.</s>"
    (item,) = items_of([sent], [PROMPT], ["blue"], TextOptions())
    assert (item.response, item.reference) == ("Because.", "blue")
    check_round_trip(made, [{"input": PROMPT}], "policy")


def test_a_tokenizer_that_changes_more_is_refused_before_the_run() -> None:
    with pytest.raises(ConfigError, match=r"tokenizer of policy does not.*set reward = \"group\""):
        check_round_trip(tokenizer(lower=True), [{"input": PROMPT}], "policy")
