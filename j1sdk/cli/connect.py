"""`j1 connect`: a judge as the reward of an RLHF framework, with what to write and to paste."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.table import Table

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.connection import Connection
from j1sdk.cli import SETTINGS
from j1sdk.cli.console import messages, output, quiet_libraries
from j1sdk.errors import ConfigError
from j1sdk.files import write_text
from j1sdk.runfile import changed, dump, validate


@click.command()
@click.argument("framework", required=False)
@click.argument("run_file", required=False, type=click.Path(path_type=Path))
@click.option("--to", type=click.Path(path_type=Path, file_okay=False), help="Where to write.")
@click.option("--url", help="Of a server that `j1 serve` runs, in place of RUN_FILE.")
@click.option("--token-env", help="The environment variable that holds the server's token.")
@SETTINGS
def connect(
    framework: str | None,
    run_file: Path | None,
    to: Path | None,
    url: str | None,
    token_env: str | None,
    settings: tuple[str, ...],
) -> None:
    """Make the judge of RUN_FILE, or the one served at --url, the reward of FRAMEWORK.

    Without arguments, lists the frameworks and what of them is installed. Writes a connection file
    into --to, and prints what to add to the framework's command or configuration, checked against
    the version that is installed here. The adapter's options are set by --set
    adapter.unscored=group; `j1 describe adapters NAME` lists them.
    """
    quiet_libraries()
    if framework is None:
        output.print(frameworks())
        return
    if to is None:
        raise ConfigError(f"where to? j1 connect {framework} RUN_FILE --to DIR")
    given = {"url": url, "token_env": token_env}
    options = {key: value for key, value in given.items() if value is not None}
    connection = connected({"name": framework, **options}, run_file, settings)
    file = to.absolute() / f"{framework}.toml"
    instructions = connection.adapter.instructions(file)
    write(instructions, connection, file)
    show(instructions, connection.adapter)


def frameworks() -> Table:
    """Every adapter, with the version it was run with and the one that is installed."""
    from j1sdk.catalogue import catalogue

    table = Table(box=None)
    for column in ("adapter", "framework", "run with", "installed"):
        table.add_column(column)
    for name in catalogue().names("adapters"):
        kind: type[Any] = catalogue().find("adapters", name)
        table.add_row(name, kind.title, kind.tested, kind().installed() or "-")
    return table


def connected(
    adapter: dict[str, Any], run_file: Path | None, settings: tuple[str, ...]
) -> Connection:
    """The connection of an adapter and a run's judge; raises ConfigError."""
    from j1sdk.run import open_run

    tables: dict[str, Any] = {"adapter": adapter}
    if run_file is not None:
        tables["judge"] = open_run(run_file).judge.model_dump(mode="json")
    return validate(Connection, changed(tables, settings), "the connection")


def write(instructions: Instructions, connection: Connection, file: Path) -> None:
    """Write the connection file and what else the framework needs."""
    for name, text in instructions.files.items():
        write_text(file.parent / name, text)
        messages.print(f"wrote {file.parent / name}", soft_wrap=True)
    write_text(file, dump(connection))
    messages.print(f"wrote {file}", soft_wrap=True)


def show(instructions: Instructions, adapter: Adapter) -> None:
    """Print what to paste; exits with 1 where the installed version will not take it."""
    messages.print(f"\nAdd to {instructions.where}:\n", soft_wrap=True)
    output.print(instructions.paste, soft_wrap=True, highlight=False)
    for remark in instructions.remarks:
        messages.print(f"\n{remark}", soft_wrap=True)
    messages.print(f"\n{checked(adapter)}", soft_wrap=True)
    if adapter.installed() and (problems := adapter.problems()):
        raise ConfigError("; ".join(problems))


def checked(adapter: Adapter) -> str:
    """What these instructions were checked against."""
    title = adapter.title or adapter.name
    version = adapter.installed()
    if version is None:
        return f"{title} is not installed here, so nothing was checked; run with {adapter.tested}."
    same = version == adapter.tested
    known = "" if same else f"; j1sdk's adapter was run with {adapter.tested}"
    return f"Checked against the installed {title} {version}{known}."
