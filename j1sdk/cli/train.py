"""`j1 train`: train the judge a run file describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import click

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import log_line, messages, output, progress_bars, quiet_libraries
from j1sdk.errors import ConfigError, explain
from j1sdk.training import Progress, Trainer


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--trainer", help="Another trainer than the run file's, with the options both have.")
@SETTINGS
def train(
    run_file: Path, out: Path, resume: bool, trainer: str | None, settings: tuple[str, ...]
) -> None:
    """Train the judge that RUN_FILE describes, by its [data] and [train] sections.

    Writes judge/ (open it with JudgeRewardModel.load), log.json and report.html. A trainer of
    something else than the judge leaves that instead, and says so. Several [[train]] sections are
    phases: each has a folder of its own, and --resume does not repeat those that are finished.
    """
    from j1sdk.report import write_report
    from j1sdk.report.training import training_report
    from j1sdk.run import read_run

    run = read_run(run_file, settings=settings)
    if run.train is None:
        raise ConfigError(f"{run_file} does not say how to train: add a [train] section")
    chosen = as_trainer(run.train, trainer) if trainer else run.train
    run = run.model_copy(update={"train": chosen})
    chosen.check(run)
    quiet_libraries()
    with progress_bars() as start:
        history = chosen.train(run, out, resume, Bar(start, f"Training ({chosen.name})"))
    write_report(training_report(run, history), out / "report.html")
    messages.print(f"Report: {out / 'report.html'}", soft_wrap=True)
    output.print(f"{titled(chosen.leaves)}: {out / chosen.leaves}", soft_wrap=True)


class Bar:
    """A bar that is shown once there is something to tell; parts of the work get their own."""

    def __init__(self, start: Callable[[str], Progress], title: str) -> None:
        self._start, self._title = start, title
        self._told: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        self._told = self._told or self._start(self._title)
        self._told(done, total)

    def note(self, step: int, steps: int, logged: Mapping[str, Any]) -> None:
        """A line of the log, where there is no terminal to draw a bar on."""
        if not messages.is_terminal:
            messages.print(log_line(self._title, step, steps, logged), soft_wrap=True)

    def begin(self, title: str) -> Bar:
        """The bar of the part that begins now."""
        return Bar(self._start, title)


def titled(folder: str) -> str:
    """A folder's name as a title: `Reward model` for `reward-model`."""
    return folder.replace("-", " ").capitalize()


def as_trainer(told: Trainer, name: str) -> Trainer:
    """Another trainer with what it has in common with the one told of; raises ConfigError."""
    from pydantic import ValidationError

    from j1sdk.catalogue import catalogue

    if len(told.parts) > 1:
        names = ", ".join(part.name for part in told.parts)
        raise ConfigError(f"--trainer replaces one trainer, and the run has several: {names}")
    kind = catalogue().find("trainers", name)
    if type(told) is kind:
        return told
    own = {"options", "arguments"}  # which are the other trainer's words
    shared = told.model_fields_set & kind.model_fields.keys() - own
    common = {key: getattr(told, key) for key in shared}
    try:
        return cast(Trainer, kind.model_validate(common))
    except ValidationError as error:
        raise ConfigError(f"trainer {name!r}: {explain(error)[0]}") from error
