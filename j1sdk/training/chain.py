"""Phases that run one after the other in one run file, each on the judge that the last one left.

    [[train]]
    name = "sft"

    [[train]]
    name = "dpo"
    data = { name = "jsonl", path = "harder.jsonl" }

The phases write to `out`/1-sft, `out`/2-dpo and so on; the last one's judge is `out`/judge. What
is finished is not done again by `resume`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from j1sdk.engines import Engine
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.files import write_text
from j1sdk.run import Run, open_run, record_judge
from j1sdk.runfile import HERE, RUN_FILE
from j1sdk.training import Interrupted, Progress, Trainer, begin

JUDGE = "judge"


class Phase(NamedTuple):
    """One of a run's trainers, as a run by itself."""

    title: str
    """`2-dpo`: its place and its trainer, which also name its folder."""
    trainer: Trainer
    run: Run
    """Its judge is the one it starts from: the run's own, or what the phase before it leaves."""
    out: Path


class Chain(Trainer):
    """Trainers that run one after the other. A list in `train` is read as one."""

    name: ClassVar[str] = "chain"
    phases: tuple[Trainer, ...] = Field(min_length=1)
    """The trainers, in order; each goes on with the judge that the one before left."""

    @property
    def parts(self) -> tuple[Trainer, ...]:
        parts = [part for phase in self.phases for part in phase.parts]
        return tuple(part.model_copy(update={"data": part.data or self.data}) for part in parts)

    def check(self, run: Run) -> None:
        """Raise ConfigError or DataError for what any phase cannot do, its data included."""
        for phase in self.in_turn(run, Path()):
            try:
                self._check(phase)
            except ConfigError as error:
                raise ConfigError(f"phase {phase.title}: {error}") from error

    def _check(self, phase: Phase) -> None:
        phase.trainer.check(phase.run)
        if phase.trainer.leaves != JUDGE:
            raise ConfigError("it leaves no judge for the next one: train it in a run of its own")
        if phase.trainer.data:
            next(phase.trainer.data.tasks(), None)  # an absent file is found now, not in days

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        self.check(run)
        try:
            from j1sdk.training.session import LOG_FILE, all_processes, claim, is_main_process
        except ImportError as error:
            raise MissingExtraError(error.name or "accelerate", "trl") from error
        claim(out, resume)
        history: list[dict[str, Any]] = []
        for phase in self.in_turn(run, out):
            logged = finished(phase)
            if logged is None:
                logged = run_phase(phase, out, resume, progress)
            history += [{"phase": phase.title, **entry} for entry in logged]
            all_processes()  # what the next phase reads is written
        if is_main_process():
            keep(phase, run, out / JUDGE)
            write_text(out / LOG_FILE, json.dumps(history, indent=1))
        return history

    def in_turn(self, run: Run, out: Path) -> Iterator[Phase]:
        """The phases of a run; each judge's engine names the weights that will be there by then.

        Raises ConfigError for a judge whose engine has no model to train.
        """
        for number, trainer in enumerate(self.parts, 1):
            title = f"{number}-{trainer.name}"
            yield Phase(title, trainer, run.model_copy(update={"train": trainer}), out / title)
            engine = with_model(run.judge.engine, out.absolute() / title / JUDGE)
            run = run.replace(judge=run.judge.replace(engine=engine))


def with_model(engine: Engine, model: str | Path) -> Engine:
    """The engine with other weights, not yet loaded; raises ConfigError where it has none."""
    if (local := engine.local) is None:
        raise ConfigError(f"judge.engine {engine.name} has no model that phases could hand on")
    return local.replace(model=str(model), adapter=None)


def run_phase(
    phase: Phase, out: Path, resume: bool, progress: Progress | None
) -> list[dict[str, Any]]:
    """Train one phase; raises Interrupted in the words of the whole run."""
    begun = resume and phase.out.is_dir() and any(phase.out.iterdir())
    try:
        return phase.trainer.train(phase.run, phase.out, begun, begin(progress, phase.title))
    except Interrupted as stopped:
        raise Interrupted(stopped.step, stopped.steps, out, phase.title) from stopped


def finished(phase: Phase) -> list[dict[str, Any]] | None:
    """The log of a phase that has left its judge; raises ConfigError if another phase left it."""
    from j1sdk.training.session import LOG_FILE

    if not (phase.out / JUDGE / RUN_FILE).is_file():
        return None
    if open_run(phase.out / JUDGE).train != phase.trainer:
        raise ConfigError(f"{phase.out} was trained with other options: use another --out")
    log: list[dict[str, Any]] = json.loads((phase.out / LOG_FILE).read_text(encoding="utf-8"))
    return log


def keep(last: Phase, run: Run, judge: Path) -> None:
    """The last phase's judge as the run's own: the same files, recorded with all phases."""
    shutil.rmtree(judge, ignore_errors=True)
    shutil.copytree(last.out / JUDGE, judge, copy_function=link)
    engine = with_model(run.judge.engine, Path(HERE))
    record_judge(run.judge.model_copy(update={"engine": engine}), judge, run)


def link(source: str, target: str) -> None:
    """A second name for a file; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
