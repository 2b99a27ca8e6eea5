"""Every recipe takes steps on a pretrained model: prompts meet a real template and tokenizer."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from real_model import Unavailable, real_model
from tiny_recipes import RECIPES, named, shrink, write_recipes, write_run

from j1sdk.errors import DataError
from j1sdk.run import read_run

TOKENS = 12
SIZES: dict[str, dict[str, int]] = {
    "grpo": {"steps": 2, "tasks_per_step": 1, "rollouts": 2},
    "sft": {"steps": 2, "batch_size": 1},
    "dpo": {"steps": 2, "batch_size": 1},
    "rejection-sft": {"steps": 2, "batch_size": 1, "samples": 2},
    "on-policy-dpo": {"steps": 2, "batch_size": 1, "samples": 2},
}
TRAINED = [path for path in RECIPES if "train" in tomllib.loads(path.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return real_model()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipes(tmp_path_factory.mktemp("full"))


def small(described: dict[str, Any], model: Path) -> dict[str, Any]:
    """The recipe on the real model: two steps of an adapter, and short answers."""
    shrunk = shrink(described, model)
    shrunk["judge"]["sampling"]["max_new_tokens"] = TOKENS
    phases = shrunk["train"] if isinstance(shrunk["train"], list) else [shrunk["train"]]
    for phase in phases:
        phase |= {**SIZES[phase["name"]], "lora": {"rank": 2}}
    return shrunk


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TRAINED, ids=named)
def test_a_recipe_takes_steps_on_a_real_model(
    recipe: Path, full: Path, model: Path, tmp_path: Path
) -> None:
    described = small(tomllib.loads(recipe.read_text(encoding="utf-8")), model)
    path = full / f"real-{recipe.name}"
    write_run(described, path)
    run = read_run(path)
    assert run.train
    try:
        run.train.train(run, tmp_path / "out")
    except DataError as error:  # a model that was never taught to judge has nothing to prefer
        assert "samples" in str(error) or "readable" in str(error), error
        return
    log = json.loads((tmp_path / "out" / "log.json").read_text(encoding="utf-8"))
    assert any("loss" in entry for entry in log)
