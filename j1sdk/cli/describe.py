"""`j1 describe` and `j1 schema`: what can be asked for, and with which options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from j1sdk.cli.console import output
from j1sdk.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from j1sdk.reference import Entry


@click.command()
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--page", "as_page", is_flag=True, help="Print everything as one Markdown page.")
def describe(kind: str | None, name: str | None, as_page: bool) -> None:
    """Show the kinds of components, the names of a KIND, or the options of a NAME.

    A NAME may also stand alone: `j1 describe grpo`. The kind `tables` is what a run file says
    beside components: the run itself, the judge, sampling, how it is served.
    """
    from j1sdk.catalogue import catalogue
    from j1sdk.reference import entries, page

    if as_page:
        click.echo(page(catalogue()), nl=False)
        return
    known = entries(catalogue())
    if kind is None:
        output.print(_listed({kind: ", ".join(named) for kind, named in known.items()}))
    elif name is not None:
        show(_looked_up(name, _named(known, kind)))
    elif kind in known or f"{kind}s" in known:
        named = _named(known, kind)
        output.print(_listed({name: entry.summary for name, entry in named.items()}))
    else:
        every = {name: entry for named in known.values() for name, entry in named.items()}
        show(_looked_up(kind, every))


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A file, instead of the screen."
)
def schema(out: Path | None) -> None:
    """Write the JSON schema of run files, which editors complete and check them by.

    In VS Code (Even Better TOML) and other editors that use Taplo, the first line of a run file
    names it: `#:schema ./j1.schema.json`. Installed plugins are part of it.
    """
    from j1sdk.catalogue import catalogue
    from j1sdk.files import write_text
    from j1sdk.reference import schema as schema_of

    text = json.dumps(schema_of(catalogue()), indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
        output.print(f"#:schema {out}", soft_wrap=True)


def show(entry: Entry) -> None:
    """Print a component's description and options."""
    output.print(f"{entry.name}\n\n{entry.description}\n", highlight=False)
    for option in entry.options:
        default = f" = {option.default}" if option.default else ""
        output.print(f"{option.name}: {option.type}{default}", highlight=False, soft_wrap=True)
        output.print(f"    {' '.join(option.description.split())}", highlight=False, soft_wrap=True)


def _named(known: dict[str, dict[str, Entry]], kind: str) -> dict[str, Entry]:
    named = known.get(kind) or known.get(f"{kind}s")
    if named is None:
        raise ConfigError(f"no kind is called {kind!r}{did_you_mean(kind, known)}")
    return named


def _looked_up(name: str, named: dict[str, Entry]) -> Entry:
    if name not in named:
        raise ConfigError(f"nothing is called {name!r}{did_you_mean(name, named)}")
    return named[name]


def _listed(rows: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(name, text)
    return table
