"""A run: one TOML file that describes a judge, its data, its training and how it is served.

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

A judge's folder holds the run file it was made with, as `j1.toml`: that is the provenance record.
Several tables [[train]] are phases that run one after the other (`j1sdk.training.chain`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_validator

from j1sdk.catalogue import catalogue
from j1sdk.component import Finder, Value
from j1sdk.data import Source
from j1sdk.files import write_text
from j1sdk.judge import JudgeRewardModel
from j1sdk.runfile import RUN_FILE, dump, read_value, validate, versions
from j1sdk.server import Serve
from j1sdk.training import Trainer


class Run(Value):
    """Everything a run file can say."""

    judge: JudgeRewardModel
    data: Source | None = None
    """Where tasks come from, for training and judging."""
    train: Trainer | None = None
    """How the judge is trained; a list is phases that run one after the other."""
    serve: Serve | None = None
    """How `j1 serve` and OpenRLHF's reward file answer."""
    seed: int = 0
    """Of all that is random in training: order, initial adapters, rollouts."""
    made_with: dict[str, str] = {}
    """Versions of the packages that made a saved judge."""

    @field_validator("train", mode="before")
    @classmethod
    def _read_phases(cls, train: Any, info: ValidationInfo) -> Any:
        """A list of trainers is a chain of them."""
        if isinstance(train, list | tuple):
            finder = info.context or catalogue()
            chain = finder.find("trainers", "chain")
            return chain.model_validate({"phases": train}, context=info.context)
        return train


def read_run(path: Path, known: Finder | None = None) -> Run:
    """The run a file describes; raises ConfigError naming the file, the key and what to do.

    Paths in it are relative to the file.
    """
    return read_value(Run, path, known)


def open_run(path: Path) -> Run:
    """The run of a run file, or of a saved judge's folder; raises ConfigError."""
    return read_run(path / RUN_FILE if path.is_dir() else path)


def build_run(described: dict[str, Any], where: str = "run", known: Finder | None = None) -> Run:
    """The run a mapping describes; raises ConfigError."""
    return validate(Run, described, where, known)


def dump_run(run: Run) -> str:
    """The run as TOML; reading it gives the same run."""
    return dump(run)


def save_judge(judge: JudgeRewardModel, folder: Path, run: Run) -> None:
    """Write weights and tokenizer, then the run that made them."""
    record_judge(judge.save_weights(folder), folder, run)


def record_judge(saved: JudgeRewardModel, folder: Path, run: Run) -> None:
    """Write the run file of a folder that holds the judge's model."""
    record = run.model_copy(update={"judge": saved, "made_with": versions()})
    write_text(folder / RUN_FILE, dump(record))
