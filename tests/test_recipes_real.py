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
from j1sdk.run import Run, read_run

TOKENS = 12
SIZES: dict[str, dict[str, int]] = {
    "grpo": {"steps": 2, "tasks_per_step": 1, "rollouts": 2},
    "sft": {"steps": 2, "batch_size": 1},
    "dpo": {"steps": 2, "batch_size": 1},
    "rejection-sft": {"steps": 2, "batch_size": 1, "samples": 2},
    "on-policy-dpo": {"steps": 2, "batch_size": 1, "samples": 2},
}
SAMPLED = {"rejection-sft", "on-policy-dpo"}
"""Phases that train on what the judge itself says: this one, never taught to judge, says nothing
that can be read."""


def phases_in(described: dict[str, Any]) -> list[dict[str, Any]]:
    train = described.get("train", [])
    return train if isinstance(train, list) else [train]


def sampled(described: dict[str, Any], wanted: bool) -> list[dict[str, Any]]:
    """The phases that train on what the judge says, or those that do not."""
    return [one for one in phases_in(described) if (one["name"] in SAMPLED) == wanted]


DESCRIBED = {path: tomllib.loads(path.read_text(encoding="utf-8")) for path in RECIPES}


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return real_model()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipes(tmp_path_factory.mktemp("full"))


def small(recipe: Path, model: Path, folder: Path, phases: list[dict[str, Any]]) -> Run:
    """Phases of the recipe on the real model: two steps of an adapter, and short answers."""
    shrunk = shrink({**DESCRIBED[recipe], "train": phases}, model)
    shrunk["judge"]["sampling"]["max_new_tokens"] = TOKENS
    for phase in phases_in(shrunk):
        phase |= {**SIZES[phase["name"]], "lora": {"rank": 2}}
    path = folder / f"real-{recipe.name}"
    write_run(shrunk, path)
    return read_run(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [path for path in RECIPES if sampled(DESCRIBED[path], False)], ids=named
)
def test_a_recipe_takes_steps_on_a_real_model(
    recipe: Path, full: Path, model: Path, tmp_path: Path
) -> None:
    run = small(recipe, model, full, sampled(DESCRIBED[recipe], False))
    assert run.train
    run.train.train(run, tmp_path / "out")
    log = json.loads((tmp_path / "out" / "log.json").read_text(encoding="utf-8"))
    assert any("loss" in entry for entry in log)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [path for path in RECIPES if sampled(DESCRIBED[path], True)], ids=named
)
def test_what_trains_on_its_own_judgments_says_that_it_has_none(
    recipe: Path, full: Path, model: Path, tmp_path: Path
) -> None:
    run = small(recipe, model, full, sampled(DESCRIBED[recipe], True))
    assert run.train
    with pytest.raises(DataError, match="nothing"):
        run.train.train(run, tmp_path / "out")
