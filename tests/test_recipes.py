"""The recipes: their sizes are the published ones, and each runs end to end in the tiny world."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trl
from click.testing import CliRunner
from tiny_recipes import (
    FOLDER,
    RECIPES,
    fluent,
    last,
    named,
    read_format,
    shrink,
    spoken,
    write_pairs,
    write_recipes,
    write_run,
)

from j1sdk.cli import j1
from j1sdk.data.jsonl import JsonLines
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import Run, read_run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = [block.split("\n") for block in re.findall(r"(?:^    (?:j1|python) .*\n)+", PAGE, re.M)]
COMMANDS = [[shlex.split(line) for line in block if line] for block in BLOCKS]
"""Those that stand together are run one after the other."""
STEPS = 80
"""Of fine-tuning, after which the tiny model writes in a format most of the time."""

PUBLISHED: dict[str, list[dict[str, Any]]] = {
    "j1_8b": [{"learning_rate": 1e-6, "rollouts": 5, "prompts": 512, "kl": 0.01, "gpus": 8}],
    "j1_32b": [{"learning_rate": 1e-6, "rollouts": 5, "prompts": 512, "gpus": 32}],
    "j1_70b": [{"learning_rate": 1e-6, "rollouts": 5, "prompts": 512, "kl": 0.0, "gpus": 64}],
    "j1_32b_mt": [{"learning_rate": 1e-6, "rollouts": 5, "prompts": 512, "gpus": 32}],
    "j1_7b": [{"reflect": True}, {"estimator": "reinforce_baseline"}],
    "j1_micro": [{"learning_rate": 1e-4, "rollouts": 2, "prompts": 16, "kl": 0.0005,
                  "micro_batch": 8}],
    "j1_nano": [{"learning_rate": 1e-4, "rollouts": 2, "prompts": 16, "kl": 0.0005,
                 "micro_batch": 8}],
    "deepseek_grm_27b": [
        {"learning_rate": 5e-6, "samples": 3, "drop_easy": True, "hint": True, "steps": 900},
        {"learning_rate": 4e-7, "rollouts": 4, "prompts": 512, "kl": 0.08, "gpus": 128},
    ],
    "rm_r1_7b": [
        {"learning_rate": 5e-6, "batch_size": 128, "epochs": 1},
        {"learning_rate": 1e-6, "rollouts": 7, "prompts": 1024, "kl": 0.001, "gpus": 8,
         "mini_batch": 128},
    ],
    "evalplanner_8b": [
        {"learning_rate": 1e-6, "samples": 20, "temperature": 0.8},
        {"learning_rate": 5.5e-8, "samples": 20, "temperature": 0.8, "steps": 1000},
        {"learning_rate": 5.5e-8, "samples": 20, "temperature": 0.8, "steps": 1000},
    ],
    "self_taught_70b": [{"temperature": 0.7, "balance": True, "both_orders": True}],
    "think_j_7b_offline": [
        {"learning_rate": 5e-6, "epochs": 3},
        {"learning_rate": 1e-6, "beta": 0.1, "nll": 1.0, "epochs": 2},
    ],
    "think_j_7b_online": [{"learning_rate": 1e-6, "rollouts": 8, "prompts": 1024, "kl": 0.001,
                           "epochs": 10, "mini_batch": 256}],
    "rrm_7b": [{"gpus": 8}],
    "judge_lrm_7b": [{"learning_rate": 1e-6, "rollouts": 8, "prompts": 16, "kl": 0.001,
                      "epochs": 1}],
    "reward_anything_8b": [{"gpus": 8}],
    "self_judge_7b": [{"epochs": 3}],
}  # fmt: skip
"""Per phase. `prompts` are those of a batch, orders counted; `mini_batch` is in prompts too."""
LENGTHS = {
    "j1_8b": (4096, 4096), "j1_32b": (4096, 4096), "j1_70b": (4096, 4096),
    "j1_32b_mt": (4096, 4096), "j1_micro": (2048, 2048), "j1_nano": (2048, 2048),
    "rm_r1_7b": (4096, 8192), "think_j_7b_online": (1024, 3072), "judge_lrm_7b": (1024, 2048),
}  # fmt: skip
"""Tokens in and out."""


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipes of full size, with what they read beside them."""
    return write_recipes(tmp_path_factory.mktemp("full"))


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_a_recipe_is_read_and_can_be_trained(recipe: Path, full: Path) -> None:
    run = read_run(full / recipe.name)
    if run.train:
        run.train.check(run)
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# ") and f" examples/recipes/{recipe.name} " in text
    assert "Published (" in text


def phases_of(run: Run) -> list[Any]:
    return list(getattr(run.train, "phases", (run.train,)))


def size(phase: Any, run: Run, key: str) -> Any:
    """What a phase has in the words of `PUBLISHED`."""
    if key == "prompts":
        return phase.tasks_per_step * 2 * (1 + len(getattr(phase, "multitask", ())))
    if key == "gpus":
        return phase.cluster.gpus
    if key == "mini_batch":
        return phase.options["train.batch_size"] / phase.rollouts
    return getattr(phase, key)


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_sizes_are_the_published_ones(name: str, full: Path) -> None:
    run = read_run(full / f"{name}.toml")
    for phase, published in zip(phases_of(run), PUBLISHED[name], strict=True):
        assert {key: size(phase, run, key) for key in published} == published
    if name in LENGTHS:
        new, context = run.judge.sampling.max_new_tokens, getattr(run.judge.engine, "context", 0)
        assert (context - new, new) == LENGTHS[name]


CONFIGS = {"grpo": "GRPOConfig", "sft": "SFTConfig", "rejection-sft": "SFTConfig",
           "on-policy-dpo": "DPOConfig"}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_trl_knows_its_options(name: str, full: Path, tmp_path: Path) -> None:
    for phase in phases_of(read_run(full / f"{name}.toml")):
        if phase.name in CONFIGS:
            kind = getattr(trl, CONFIGS[phase.name])
            made = kind(output_dir=str(tmp_path), use_cpu=True, bf16=False, **phase.options)
            assert {key: getattr(made, key) for key in phase.options} == phase.options
        elif phase.options:
            known = {"train.batch_size", "actor.eps_clip_low_high"}
            assert set(phase.options) <= known, "tests/stack has OpenRLHF read these"


@pytest.mark.parametrize(
    ("name", "rest"), [("rm_r1_7b", -1), ("rrm_7b", -1), ("deepseek_grm_27b", -1), ("j1_8b", 0)]
)
def test_a_verdict_is_worth_what_was_published(name: str, rest: float, full: Path) -> None:
    (reward,) = phases_of(read_run(full / f"{name}.toml"))[-1].rewards
    assert (reward.right, reward.wrong, reward.unparseable) == (1, rest, rest)


def test_every_recipe_has_its_sizes_and_its_place_on_the_page() -> None:
    assert {named(recipe) for recipe in RECIPES} - {"j1_7b_scaling"} == set(PUBLISHED)
    table = set(re.findall(r"examples/recipes/(\w+\.\w+)\)", PAGE))
    assert table == {path.name for path in FOLDER.iterdir() if path.is_file()}
    run = {Path(word).name for block in COMMANDS for command in block for word in command}
    assert table <= run, "the page says how to run each"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's commands do in the tiny world what they do at full size."""
    home = tmp_path_factory.mktemp("tiny")
    folder = home / "examples" / "recipes"
    folder.mkdir(parents=True)
    for name in ("pairs", "pairs-first", "pairs-sft"):
        write_pairs(folder / f"{name}.jsonl", 12, seed=1)
    write_pairs(home / "heldout.jsonl", 6, seed=2)
    lines = [json.dumps({"prompt": f"{n:02}+{n:02}"}) for n in range(4)]
    (home / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return home


def place(name: str, home: Path) -> None:
    """The run file of that name, a recipe or one of the page's, on a tiny model."""
    if (home / name).exists():
        return
    blocks = {block.split()[1]: block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.S)}
    described = tomllib.loads(blocks.get(name) or (ROOT / name).read_text(encoding="utf-8"))
    write_run(shrink(described, model_for(spoken(described), home)), home / name)


def model_for(formats: list[Any], home: Path) -> Path:
    """A tiny model that writes in these formats, made once."""
    folder = home / "models" / re.sub(r"\W+", "-", json.dumps(formats))
    return last(folder) if folder.exists() else fluent([*map(read_format, formats)], folder, STEPS)


TOGETHER = [block for block in COMMANDS if any(words[1] != "train" for words in block)]
ALONE = [[words] for block in COMMANDS if block not in TOGETHER for words in block]


@pytest.mark.parametrize("block", [*ALONE, *TOGETHER], ids=lambda block: " ".join(block[-1][:3]))
def test_the_commands_run_in_the_tiny_world(
    block: list[list[str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    for words in block:
        run_command(words)
        if words[1] == "train":
            check_trained(home, words)


def run_command(words: list[str]) -> None:
    if words[0] == "python":
        small = {"max_steps": 1, "per_device_train_batch_size": 4, "max_new_tokens": 6,
                 "use_cpu": True, "bf16": False}  # fmt: skip
        program = [sys.executable, str(ROOT / words[1]), *words[2:], json.dumps(small)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (Path(words[-1]) / "model.safetensors").is_file()
        return
    for name in (word for word in words if word.endswith(".toml")):
        place(name, Path.cwd())
    done_here = CliRunner().invoke(j1, words[1:], catch_exceptions=False)
    assert done_here.exit_code == 0, done_here.output


def check_trained(home: Path, words: list[str]) -> None:
    """The judge opens, it is the recipe's, and it judges; every phase is in the log."""
    recipe, out = home / words[2], home / words[words.index("--out") + 1]
    asked, judge = read_run(recipe), JudgeRewardModel.load(out / "judge")
    assert (judge.format, judge.scaling) == (asked.judge.format, asked.judge.scaling)
    (result,) = judge.judge(JsonLines(path=home / "heldout.jsonl").load()[:1])
    assert len(result.judgments) == 2
    log = json.loads((out / "log.json").read_text(encoding="utf-8"))
    assert log and len({entry.get("phase") for entry in log}) >= len(phases_of(asked))


def test_the_strict_and_the_lenient_reading_are_measured(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    if not (home / "runs/j1-nano/judge").is_dir():
        run_command(["j1", "train", "examples/recipes/j1_nano.toml", "--out", "runs/j1-nano"])
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    strict, lenient = (line.split() for line in done.stdout.splitlines())
    assert (strict[0], lenient[0]) == ("False", "True")
    assert float(lenient[2]) <= float(strict[2]) < 1
