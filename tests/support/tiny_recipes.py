"""Recipes of full size in the tiny world: a small model, a few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomli_w
from j1sdk_family.hinted import HINT
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk.catalogue import catalogue
from j1sdk.data.jsonl import JsonLines
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel
from j1sdk.judging import judge_to_folder
from j1sdk.run import build_run
from j1sdk.testing import oracle
from j1sdk.types import JudgmentTask

FOLDER = Path(__file__).parents[2] / "examples" / "recipes"
RECIPES = sorted(FOLDER.glob("*.toml"))
ON_THIS_MACHINE = {"openrlhf": "grpo", "openrlhf-sft": "sft", "openrlhf-dpo": "dpo"}
"""Trainers that need a cluster, and the one that does the same here."""
LEFT_OUT = ("cluster", "options", "epochs", "micro_batch")
BUDGETS = {"round_tokens": 40, "total_tokens": 80, "answer_tokens": 40}
SMALL: dict[str, dict[str, Any]] = {
    "grpo": {"steps": 1, "tasks_per_step": 2, "rollouts": 2},
    "sft": {"steps": 2, "batch_size": 4},
    "dpo": {"steps": 1, "batch_size": 2},
    "rejection-sft": {"steps": 1, "batch_size": 2, "samples": 6},
    "on-policy-dpo": {"steps": 1, "batch_size": 2, "samples": 6},
}
TOKENS = 120


def tasks(count: int, seed: int) -> list[JudgmentTask]:
    """Sums with a right and a wrong answer, rated."""
    found = Arithmetic(seed=seed, limit=count, held_out=False).load()
    return [task.model_copy(update={"ratings": (8.0, 5.0)}) for task in found]


def write_pairs(path: Path, count: int, seed: int) -> None:
    """The tasks as a file."""
    lines = [task.model_dump(mode="json", exclude_none=True) for task in tasks(count, seed)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def named(recipe: Path) -> str:
    return recipe.stem


def write_recipes(home: Path) -> Path:
    """The folder of the recipes of full size, with what they read beside them."""
    folder = home / "examples" / "recipes"
    folder.mkdir(parents=True)
    for recipe in RECIPES:
        (folder / recipe.name).write_bytes(recipe.read_bytes())
    for name in ("pairs", "pairs-first", "pairs-sft"):
        write_pairs(folder / f"{name}.jsonl", 4, seed=1)
    for form, folders in (("rm-r1", ("teacher", "second")), ("think-j", ("right", "wrong"))):
        for made in folders:
            record(folder / "pairs.jsonl", home / "runs" / f"{form}-{made}", form, made != "wrong")
    return folder


def record(pairs: Path, out: Path, format: str, right: bool) -> None:
    """Judgments of the pairs, all right or all wrong."""
    form, found = read_format(format), JsonLines(path=pairs).load()
    other = [task.replace(preferred=1 - (task.preferred or 0), ratings=None) for task in found]
    engine = oracle(form, found if right else other)
    judge_to_folder(JudgeRewardModel(format=form, engine=engine), found, out)


def fluent(formats: list[JudgmentFormat], folder: Path, steps: int) -> Path:
    """A model that writes in these formats after a little fine-tuning, and knows nothing."""
    tokenizer = make_tokenizer([getattr(form, "format", form) for form in formats])
    tokenizer.add_tokens(HINT.split("{answer}"))
    make_model(tokenizer, seed=0, layers=1).save_pretrained(folder / "0" / "judge")
    tokenizer.save_pretrained(folder / "0" / "judge")
    for number, form in enumerate(formats, 1):
        described = {
            "judge": {"format": form, "engine": engine(last(folder))},
            "data": {"name": "arithmetic", "held_out": False, "limit": 16 * steps, "neither": 0.0},
            "train": {
                "name": "sft", "steps": steps, "batch_size": 16, "learning_rate": 1e-2,
                "report_to": [],
            },
        }  # fmt: skip
        run = build_run(described)
        assert run.train is not None
        run.train.train(run, folder / str(number))
    return last(folder)


def last(folder: Path) -> Path:
    """The last model in a folder of `fluent`."""
    return max(folder.iterdir()) / "judge"


def engine(model: Path) -> dict[str, Any]:
    """The tiny model's engine."""
    return {"name": "transformers", "model": str(model), "dtype": "float32", "device": "cpu"}


def read_format(described: Any) -> JudgmentFormat:
    """The format that a run file's table names."""
    return JudgmentFormat.model_validate(described, context=catalogue())


def spoken(described: dict[str, Any]) -> list[Any]:
    """The formats that the run's judge has to write in, as a run file names them."""
    form, train = described["judge"]["format"], described.get("train", {})
    more = train.get("multitask", []) if isinstance(train, dict) else []
    if not isinstance(form, dict) or "format" not in form:
        return [form, *more]
    hinted = {"name": "hinted", "format": form["format"]}
    return [form["format"], *([hinted] if form["name"] == "hinted" else [])]


def shrink(described: dict[str, Any], model: Path) -> dict[str, Any]:
    """The run on the tiny model: the same judge, data, rewards and phases in small sizes."""
    train = described.get("train")
    small = {} if train is None else {"train": _smaller(train)}
    return shrink_judge(described, model) | small


def shrink_judge(described: dict[str, Any], model: Path) -> dict[str, Any]:
    """The run with the tiny model for its judge."""
    judge = described["judge"] | {"engine": engine(model)}
    judge["sampling"] = {**judge.get("sampling", {}), "max_new_tokens": TOKENS}
    if "scaling" in judge:
        judge["scaling"] = {**judge["scaling"], "n": 2}
    if "rounds" in judge["format"]:
        judge["format"] = {**judge["format"], **BUDGETS}
    return described | {"judge": judge}


def _smaller(train: Any) -> Any:
    """The phase, or each of several, in small sizes."""
    if isinstance(train, list):
        return [_smaller(phase) for phase in train]
    name = ON_THIS_MACHINE.get(train["name"], train["name"])
    kept = {key: value for key, value in train.items() if key not in LEFT_OUT}
    changes = {"name": name, "report_to": [], "logging_steps": 1, **SMALL[name]}
    changes |= {"lora": {**train["lora"], "rank": 2}} if "lora" in train else {}
    changes |= {"rounds": 2} if "rounds" in train else {}
    return kept | changes


def write_run(described: dict[str, Any], path: Path) -> None:
    """The run file of a described run."""
    path.write_text(tomli_w.dumps(described), encoding="utf-8")
