"""`j1 train`: train the judge a run file describes."""

from __future__ import annotations

from pathlib import Path

import click

from j1sdk.cli.console import messages, output, progress_bars, quiet_libraries
from j1sdk.errors import ConfigError


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder to write.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
def train(run_file: Path, out: Path, resume: bool) -> None:
    """Train the judge that RUN_FILE describes, by its [data] and [train] sections.

    Writes judge/ (open it with JudgeRewardModel.load), checkpoints/, log.json and report.html.
    """
    from j1sdk.config import read_run
    from j1sdk.evaluation.pages import training_report
    from j1sdk.evaluation.report import write_report

    run = read_run(run_file)
    if run.train is None:
        raise ConfigError(f"{run_file} does not say how to train: add a [train] section")
    run.train.check(run)
    quiet_libraries()
    with progress_bars() as start:
        history = run.train.train(run, out, resume, start(f"Training ({run.train.name})"))
    write_report(training_report(run, history), out / "report.html")
    messages.print(f"Report: {out / 'report.html'}", soft_wrap=True)
    output.print(f"Judge: {out / 'judge'}", soft_wrap=True)
