"""A run, and the kind of component that trains from one.

A run is one TOML file that describes a judge, its data, its training and how it is served:

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

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import ValidationInfo, field_validator

from j1sdk.catalogue import catalogue
from j1sdk.component import Component, Finder, Value
from j1sdk.data import Source
from j1sdk.errors import ConfigError, J1Error
from j1sdk.files import write_text
from j1sdk.judge import JudgeRewardModel
from j1sdk.runfile import RUN_FILE, dump, read_tables, read_value, validate, versions
from j1sdk.server import Serve

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@runtime_checkable
class Titled(Protocol):
    """A progress that can tell parts of the work apart."""

    def begin(self, title: str) -> Progress:
        """What is told of the part that begins now."""


@runtime_checkable
class Noting(Protocol):
    """A progress that shows what training logs where nobody watches a bar."""

    def note(self, step: int, steps: int, logged: Mapping[str, Any]) -> None:
        """What was logged at a step of so many."""


def begin(progress: Progress | None, title: str) -> Progress | None:
    """The progress of a part of the work, under its title where titles can be shown."""
    return progress.begin(title) if isinstance(progress, Titled) else progress


class Interrupted(J1Error):
    """Training was stopped on request; `step` is that of the checkpoint, 0 for none."""

    exit_code = 130

    def __init__(self, step: int, steps: int, out: Path, phase: str = "") -> None:
        self.step, self.steps = step, steps
        where = f" in {phase}" if phase else ""
        kept = f"{out} has a checkpoint: add --resume" if step else "there is no checkpoint yet"
        if phase and not step:
            kept = f"{out} has what came before: add --resume"
        super().__init__(f"stopped{where} at step {step} of {steps}; {kept}")


class Trainer(Component):
    """What trains from a run file: a judge, unless it says otherwise."""

    kind: ClassVar[str] = "trainers"
    leaves: ClassVar[str] = "judge"
    """The folder in `out` that holds what was trained."""
    data: Source | None = None
    """What to train on, instead of the run's [data]."""

    @property
    def parts(self) -> tuple[Trainer, ...]:
        """The trainers that run one after the other: itself, unless it is made of several."""
        return (self,)

    def source(self, run: Run) -> Source:
        """What to train on; raises ConfigError where nothing is given."""
        if (source := self.data or run.data) is None:
            raise ConfigError("nothing to train on: the run has no [data]")
        return source

    def check(self, run: Run) -> None:
        """Raise ConfigError for what cannot work, before anything is loaded."""

    @abstractmethod
    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        """Train, write what it `leaves`, and return the trainer's log, oldest entry first.

        A judge's folder is one that `JudgeRewardModel.load` opens. With `resume`, go on from the
        last checkpoint in `out`. Raises Interrupted.
        """


class Run(Value):
    """Everything a run file can say."""

    judge: JudgeRewardModel
    """The judge: to be asked, trained or served."""
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


def read_run(path: Path, known: Finder | None = None, settings: Sequence[str] = ()) -> Run:
    """The run a file describes; raises ConfigError naming the file, the key and what to do.

    Paths in it are relative to the file. `settings`, such as `"train.learning_rate=1e-5"`, count
    as if the file said so.
    """
    return read_value(Run, path, known, settings=settings)


def open_run(path: Path, settings: Sequence[str] = ()) -> Run:
    """The run of a run file, or of a saved judge's folder; raises ConfigError.

    Who names a run file trusts it. A folder may be somebody else's, so all of it that is going to
    be used, which is all but its training, has to do without trust.
    """
    if not path.is_dir():
        return read_run(path, settings=settings)
    file, folder = path / RUN_FILE, path.absolute()
    tables = read_tables(file, settings)
    used = {name: table for name, table in tables.items() if name != "train"}
    validate(Run, used, str(file), folder=folder, trusted=False)
    return validate(Run, tables, str(file), folder=folder)


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
    record = run.replace(judge=saved, made_with=versions())
    write_text(folder / RUN_FILE, dump(record))
