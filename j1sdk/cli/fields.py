"""`--field NAME=COLUMN`: what data on the command line call their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from j1sdk.data.shapes import FieldNames

Fields = tuple[tuple[str, str], ...]


def named(text: str, what: str) -> tuple[str, str]:
    """A name and what is given for it; raises BadParameter."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise click.BadParameter(f"{text!r} is not NAME={what}")
    return name, value


def named_column(text: str) -> tuple[str, str]:
    """NAME=COLUMN."""
    return named(text, "COLUMN")


def columns_of(fields: Fields) -> FieldNames:
    """The columns named on the command line: several for a name that comes again."""
    from j1sdk.data.shapes import COLUMNS
    from j1sdk.errors import did_you_mean

    columns: dict[str, tuple[str, ...]] = {}
    for name, column in fields:
        if name not in COLUMNS:
            raise click.BadParameter(f"{name!r} is no column{did_you_mean(name, COLUMNS)}")
        columns[name] = (*columns.get(name, ()), column)
    return {name: named if named[1:] else named[0] for name, named in columns.items()}


FIELDS = click.option(
    "--field",
    "fields",
    type=named_column,
    multiple=True,
    metavar="NAME=COLUMN",
    help="What the data call a column, such as prompt=question; may be repeated.",
)
