"""`j1 openrlhf`: what a run is in OpenRLHF's own words."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from j1sdk.cli.console import messages, output, quiet_libraries
from j1sdk.errors import ConfigError

if TYPE_CHECKING:
    from j1sdk.training.openrlhf.base import OpenRLHFTrainer, Plan

RUN_FILE = click.argument("run_file", type=click.Path(path_type=Path))
OUT = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/openrlhf"),
    show_default=True, help="Folder for OpenRLHF's files and what it writes.",
)  # fmt: skip


@click.group()
def openrlhf() -> None:
    """Train a judge, or by a judge, with OpenRLHF."""


@openrlhf.command()
@RUN_FILE
@OUT
def command(run_file: Path, out: Path) -> None:
    """Write OpenRLHF's files to --out, and print the command that trains by RUN_FILE."""
    trainer, plan = plan_of(run_file, out)
    click.echo(shlex.join(trainer.command(plan.line)))


@openrlhf.command()
@RUN_FILE
@OUT
def check(run_file: Path, out: Path) -> None:
    """Have the installed OpenRLHF check what RUN_FILE asks of it, without a GPU."""
    from j1sdk.training.openrlhf.parsers import check_words, installed_version

    trainer, plan = plan_of(run_file, out)
    check_words(trainer.program, plan.line)
    output.print(f"OpenRLHF {installed_version()} takes it: {plan.steps} steps")


@openrlhf.command()
@click.argument("judge", type=click.Path(path_type=Path))
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), default=Path("reward_func.py"),
    show_default=True, help="The file to write.",
)  # fmt: skip
def reward(judge: Path, to: Path) -> None:
    """Write a file that makes JUDGE (a folder or run file) the reward of a policy."""
    from j1sdk.config import open_run
    from j1sdk.serving.openrlhf import write_shim

    open_run(judge)
    write_shim(judge, to)
    output.print(f"--reward.remote_url {to.absolute()}", soft_wrap=True)


def plan_of(run_file: Path, out: Path) -> tuple[OpenRLHFTrainer, Plan]:
    """The run's trainer and what it would do; raises ConfigError where it is not OpenRLHF's."""
    from j1sdk.config import read_run
    from j1sdk.training.openrlhf.base import OpenRLHFTrainer
    from j1sdk.training.openrlhf.parsers import installed_version

    quiet_libraries()
    run = read_run(run_file)
    if not isinstance(run.train, OpenRLHFTrainer):
        raise ConfigError(f'{run_file} is not for OpenRLHF: set name = "openrlhf" in its [train]')
    plan = run.train.plan(run, out, installed_version())
    messages.print(f"Files for OpenRLHF: {out / 'openrlhf'}", soft_wrap=True)
    return run.train, plan
