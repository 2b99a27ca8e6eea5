"""The `j1` command. Every subcommand, ours too, comes from a plugin's `commands` hook."""

from __future__ import annotations

import sys

import click

from j1sdk.errors import J1Error


class PluginCommands(click.Group):
    """A group whose subcommands are whatever plugins offer."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from j1sdk.catalogue import catalogue

        return catalogue().names("commands")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from j1sdk.catalogue import catalogue

        command: click.Command | None = catalogue().command(cmd_name)
        return command


@click.group(cls=PluginCommands)
@click.version_option(package_name="j1sdk")
def j1() -> None:
    """Train language models to judge, and use them as reward models."""


def main() -> None:
    """Run `j1`; errors of ours are one line, without a traceback."""
    try:
        j1()
    except J1Error as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(getattr(error, "exit_code", 1))
