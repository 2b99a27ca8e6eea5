"""`j1 openrlhf`: what a run is in OpenRLHF's own words."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from j1sdk.cli import Group
from j1sdk.cli.console import messages, output, quiet_libraries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from j1sdk_openrlhf.plans import Planned

RUN_FILE = click.argument("run_file", type=click.Path(path_type=Path))
OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/openrlhf"),
    show_default=True,
    help="Folder for OpenRLHF's files and what it writes.",
)


@click.group(cls=Group)
def openrlhf() -> None:
    """Train a judge, or by a judge, with OpenRLHF."""


@openrlhf.command()
@RUN_FILE
@OUT
def command(run_file: Path, out: Path) -> None:
    """Write OpenRLHF's files to --out, and print the command that trains by RUN_FILE.

    Of a run in phases, a command for each.
    """
    for one in planned(run_file, out):
        if isinstance(one, str):
            click.echo(f"# {one} is not OpenRLHF's: j1 train runs it")
            continue
        if one.title:
            click.echo(f"# {one.title}")
        click.echo(shlex.join(one.trainer.command(one.plan.line)))


@openrlhf.command()
@RUN_FILE
@OUT
def check(run_file: Path, out: Path) -> None:
    """Have the installed OpenRLHF check what RUN_FILE asks of it, without a GPU."""
    from j1sdk_openrlhf.parsers import check_words, installed_version

    for one in planned(run_file, out):
        if isinstance(one, str):
            output.print(f"{one}: not OpenRLHF's", soft_wrap=True)
            continue
        check_words(one.trainer.program, one.plan.line)
        title = f"{one.title}: " if one.title else ""
        output.print(f"{title}OpenRLHF {installed_version()} takes it: {one.plan.steps} steps")


@openrlhf.command()
@click.argument("judge", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("reward_func.py"),
    show_default=True,
    help="The file to write.",
)
def reward(judge: Path, to: Path) -> None:
    """Write a file that makes JUDGE (a folder or run file) the reward of a policy."""
    from j1sdk.run import open_run
    from j1sdk_openrlhf.reward_file import write_shim

    open_run(judge)
    write_shim(judge, to)
    output.print(f"--reward.remote_url {to.absolute()}", soft_wrap=True)


def planned(run_file: Path, out: Path) -> Iterator[Planned | str]:
    """What OpenRLHF is to do of a run, phase by phase; raises ConfigError."""
    from j1sdk.run import read_run
    from j1sdk_openrlhf.plans import plans

    quiet_libraries()
    yield from plans(read_run(run_file), out)
    messages.print(f"Files for OpenRLHF: {out}", soft_wrap=True)
