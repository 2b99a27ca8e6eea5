"""The `j1` command. Every subcommand, ours too, comes from a plugin's `commands` hook."""

from __future__ import annotations

import sys

import click

from j1sdk.catalogue import catalogue, sentence, where_to_get
from j1sdk.errors import J1Error

SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change an option of the run file, such as train.learning_rate=1e-5; may be repeated.",
)


class Group(click.Group):
    """A group whose help shows what each command does in a whole sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each command."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(ctx, name)) for name in names])

    def summary(self, ctx: click.Context, name: str) -> str:
        """The first sentence of a command's help."""
        command = self.get_command(ctx, name)
        return sentence(command) if command else ""


class PluginCommands(Group):
    """A group whose subcommands are whatever plugins offer."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return catalogue().names("commands")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command: click.Command | None = catalogue().command(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; of a command that a plugin has, the error says what to install."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            more = where_to_get("commands", args[0])
            raise click.UsageError(error.message.rstrip(".") + more, ctx) from None

    def summary(self, ctx: click.Context, name: str) -> str:
        """What the plugin says of it, which imports nothing."""
        return catalogue().summary(name)


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
