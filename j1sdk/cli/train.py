"""`j1 train`: train the judge a run file describes."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from j1sdk.cli.console import messages, output, progress_bars, quiet_libraries
from j1sdk.errors import ConfigError, explain
from j1sdk.training import Trainer


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder to write.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--trainer", help="Another trainer than the run file's, with the options both have.")
def train(run_file: Path, out: Path, resume: bool, trainer: str | None) -> None:
    """Train the judge that RUN_FILE describes, by its [data] and [train] sections.

    Writes judge/ (open it with JudgeRewardModel.load), checkpoints/, log.json and report.html.
    """
    from j1sdk.config import read_run
    from j1sdk.evaluation.pages import training_report
    from j1sdk.evaluation.report import write_report

    run = read_run(run_file)
    if run.train is None:
        raise ConfigError(f"{run_file} does not say how to train: add a [train] section")
    chosen = as_trainer(run.train, trainer) if trainer else run.train
    run = run.model_copy(update={"train": chosen})
    chosen.check(run)
    quiet_libraries()
    with progress_bars() as start:
        history = chosen.train(run, out, resume, start(f"Training ({chosen.name})"))
    write_report(training_report(run, history), out / "report.html")
    messages.print(f"Report: {out / 'report.html'}", soft_wrap=True)
    output.print(f"Judge: {out / 'judge'}", soft_wrap=True)


def as_trainer(told: Trainer, name: str) -> Trainer:
    """Another trainer with what it has in common with the one told of; raises ConfigError."""
    from pydantic import ValidationError

    from j1sdk.host import host

    kind = host().find("trainers", name)
    if type(told) is kind:
        return told
    # `options` are the other trainer's words
    common = {key: value for key, value in told if key in kind.model_fields and key != "options"}
    try:
        return cast(Trainer, kind.model_validate(common))
    except ValidationError as error:
        raise ConfigError(f"trainer {name!r}: {explain(error)[0]}") from error
