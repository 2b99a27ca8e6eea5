"""`j1 plugins`: what is installed, and what became of it."""

from __future__ import annotations

import json

import click
from rich.table import Table

from j1sdk.cli.console import output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def plugins(as_json: bool) -> None:
    """List plugins with their version, status and what each offers, the broken ones too."""
    from j1sdk.catalogue import catalogue

    records = catalogue().records
    if as_json:
        click.echo(json.dumps([record._asdict() for record in records], indent=2))
        return
    table = Table()
    for column in ("Plugin", "Distribution", "Status", "Offers"):
        table.add_column(column, overflow="fold")
    for record in records:
        offers = "\n".join(f"{kind}: {', '.join(names)}" for kind, names in record.offers.items())
        table.add_row(record.name, record.provider, record.status, record.error or offers)
    output.print(table)
    for problem in catalogue().conflicts():
        output.print(f"conflict: {problem}")
