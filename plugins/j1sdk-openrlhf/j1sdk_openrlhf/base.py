"""What the trainers that drive a program of OpenRLHF have in common."""

from __future__ import annotations

import json
import shutil
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field, ValidationError

from j1sdk.catalogue import catalogue
from j1sdk.errors import ConfigError, TrainingError, explain
from j1sdk.files import write_text
from j1sdk.run import Run, record_judge
from j1sdk.runfile import HERE, dump, versions
from j1sdk.training import Interrupted, Progress, Trainer
from j1sdk.training.chain import with_model
from j1sdk_openrlhf.arguments import check_agreement, read_arguments
from j1sdk_openrlhf.flags import Flags, Version, version_of, words
from j1sdk_openrlhf.parsers import check_words, installed_version

RUN, FINAL, LOGS, CHECKPOINTS = "run.toml", "final", "tensorboard", "checkpoints"
"""In OpenRLHF's folder."""


class Written(NamedTuple):
    """A program's own files, and the options that name them."""

    flags: Flags
    steps: int


class Plan(NamedTuple):
    """What is to be run."""

    line: list[str]
    """The words behind the program."""
    steps: int


class OpenRLHFTrainer(Trainer):
    """A program of OpenRLHF: its files, its command, its log and what it leaves."""

    program: ClassVar[str]
    """As in `openrlhf.cli.train_sft`."""
    save_steps: int = Field(default=20, ge=1)
    """Steps between checkpoints."""
    drop_long: bool = False
    """Leave out what does not fit the context, instead of refusing it."""
    python: str | None = None
    """The interpreter of OpenRLHF's environment; this one unless given."""
    arguments: Path | None = None
    """A script that runs OpenRLHF, or YAML of its options, for what is not set here."""
    options: dict[str, Any] = {}
    """Anything else its command takes, by its name there: { "actor.max_norm" = 0.5 }."""
    spelled: ClassVar[dict[str, str]] = {
        "save_steps": "ckpt.save_steps",
        "cluster.zero_stage": "ds.zero_stage",
        "cluster.offload": "ds.adam_offload",
        "cluster.packing": "ds.packing_samples",
        "cluster.attention": "ds.attn_implementation",
    }
    """What options here are called by the program, where the two are one."""

    def check(self, run: Run) -> None:
        model_of(run, self.name)
        self.source(run)

    @abstractmethod
    def write(self, run: Run, folder: Path, version: Version) -> Written:
        """Write the program's files into `folder`, where the run itself is already written.

        Raises ConfigError and DataError.
        """

    def start(self, python: str | None = None) -> list[str]:
        """The words that start the program, in an interpreter's environment or this one's."""
        return [python or "python", "-m", f"openrlhf.cli.{self.program}"]

    def command(self, line: list[str]) -> list[str]:
        """All the words that run the program, as one would type them."""
        return [*self.start(self.python), *line]

    @contextmanager
    def running(self, line: list[str]) -> Iterator[list[str]]:
        """The command to launch here; what it starts elsewhere ends with it."""
        yield [*self.start(self.python or sys.executable), *line]

    def record(self, run: Run, folder: Path) -> None:
        """Write how the weights in `folder` were made: into it, or beside it if it is no judge."""
        if self.leaves == Trainer.leaves:
            saved = run.judge.replace(engine=with_model(run.judge.engine, HERE))
            record_judge(saved, folder, run)
        else:
            made = run.model_copy(update={"made_with": versions()})
            write_text(folder.with_name(RUN), dump(made))

    def plan(self, run: Run, out: Path, version: str) -> Plan:
        """Write OpenRLHF's files into `out`, and work out its command. Raises ConfigError."""
        told = read_arguments(self.arguments, self.program) if self.arguments else {}
        whole, folder = self.filled(told) if told else self, folder_in(out)
        run = run.model_copy(update={"train": whole})
        whole.check(run)
        write_text(folder / RUN, dump(run))
        written = whole.write(run, folder, version_of(version))
        flags = {
            "train.seed": run.seed,
            "ckpt.output_dir": str(folder / FINAL),
            "ckpt.path": str(folder / CHECKPOINTS),
            "ckpt.save_steps": whole.save_steps,
            "logger.tensorboard_dir": str(folder / LOGS),
            **written.flags,
        }
        check_agreement(told, flags | self.options, self.arguments)
        return Plan(words({**told, **flags, **self.options}), written.steps)

    def filled(self, told: Flags) -> Self:
        """With what `told` has for options that are not set; raises ConfigError."""
        described = self.model_dump(exclude_unset=True)
        for option, flag in self.spelled.items():
            *tables, name = option.split(".")
            if flag in told:
                table = reduce(lambda at, key: at.setdefault(key, {}), tables, described)
                table.setdefault(name, told[flag])
        try:
            return type(self).model_validate(described, context=catalogue())
        except ValidationError as error:
            raise ConfigError(f"{self.arguments}: {explain(error)[0]}") from error

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        from j1sdk.training.session import LOG_FILE, claim
        from j1sdk_openrlhf.launch import history, launch, saved_step

        self.check(run)
        claim(out, resume)
        line, steps = self.plan(run, out, installed_version())
        line += ["--ckpt.load_enable"] if resume else []
        check_words(self.program, line)
        folder = out / "openrlhf"
        logs = folder / LOGS
        try:
            with self.running(line) as command:
                launch(
                    command,
                    out / "openrlhf.log",
                    watch=lambda: progress(len(history(logs)), steps) if progress else None,
                )
        except KeyboardInterrupt:
            raise Interrupted(saved_step(folder / CHECKPOINTS), steps, out) from None
        logged = history(logs)
        write_text(out / LOG_FILE, json.dumps(logged, indent=1))
        take(folder / FINAL, out / self.leaves)
        self.record(run, out / self.leaves)
        return logged


def folder_in(out: Path) -> Path:
    """Where OpenRLHF's files are; raises ConfigError for a path that it would take for several."""
    if strange := set(str(out.absolute())) & set(",@"):
        raise ConfigError(
            f"OpenRLHF takes a path apart at {' and '.join(sorted(strange))}: {out.absolute()}."
            " Choose another --out"
        )
    return out.absolute() / "openrlhf"


def take(weights: Path, to: Path) -> None:
    """Move what OpenRLHF left; raises TrainingError where it left no weights."""
    if not (weights / "config.json").is_file():
        raise TrainingError(f"OpenRLHF ended well, but left no weights in {weights}")
    shutil.rmtree(to, ignore_errors=True)
    weights.rename(to)


def model_of(run: Run, trainer: str) -> str:
    """The model whose weights a trainer trains, where it is the judge's; raises ConfigError."""
    local = run.judge.engine.local
    if local is None or local.adapter:
        raise ConfigError(
            f'{trainer} trains the weights of a model: set judge.engine to {{ name = "vllm",'
            " model = ... }, without an adapter"
        )
    return local.model


def check_single_turn(run: Run, trainer: str) -> None:
    """Raise ConfigError for a format whose examples are more than a prompt and an answer."""
    if not run.judge.format.single_turn:
        raise ConfigError(
            f"{trainer} trains single-turn formats; {run.judge.format.name} is not one. Train the"
            " format it is built on, and use this one with the trained judge"
        )
