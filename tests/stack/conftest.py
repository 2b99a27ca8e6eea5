"""A model that vLLM's CPU build can run, and what that build needs to be told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from openrlhf_runs import VLLM_ON_CPU

from j1sdk import Transformers


def pytest_collection_finish() -> None:
    for name, value in VLLM_ON_CPU.items():
        os.environ.setdefault(name, value)


@pytest.fixture(scope="session")
def stack_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the tiny model, with attention heads of a size that vLLM has CPU kernels for.

    vLLM knows no suppressed tokens: these are made improbable by their weights instead.
    """
    import torch
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    old = Qwen3ForCausalLM.from_pretrained(tiny_model)
    config = Qwen3Config.from_pretrained(tiny_model, head_dim=32)
    model = Qwen3ForCausalLM(config).float()
    with torch.no_grad():
        model.lm_head.weight *= 2
        model.lm_head.weight[old.generation_config.suppress_tokens] = 0
    directory = tmp_path_factory.mktemp("stack")
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def reference(stack_model: Path) -> Transformers:
    """The same model by way of transformers."""
    return Transformers(model=str(stack_model), device="cpu", dtype="float32")
