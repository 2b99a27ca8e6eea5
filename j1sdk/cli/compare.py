"""`j1 compare`: runs on a benchmark beside each other."""

from __future__ import annotations

from pathlib import Path

import click

from j1sdk.cli.console import block_table, messages, output
from j1sdk.errors import ConfigError, DataError


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)
def compare(folders: tuple[Path, ...], out: Path) -> None:
    """Compare the runs in FOLDERS, which `j1 eval --benchmark ... --out` wrote.

    Writes report.html: scores, differences from the first run with paired intervals and McNemar's
    test, position bias, score differences, and the tasks on which the runs differ.
    """
    from j1sdk.catalogue import catalogue
    from j1sdk.evaluation.entries import read_entries
    from j1sdk.report import Table, write_report
    from j1sdk.report.benchmark_page import calibration_table, comparison_report

    if len(set(folders)) < 2:
        raise ConfigError("give two folders or more; each was written by j1 eval --benchmark")
    entries = read_entries(folders, catalogue())
    for entry, folder in zip(entries, folders, strict=True):
        if entry.evaluated.strict.metrics.invalid_rate is None:
            raise DataError(f"{folder}: nothing in it was judged, so there is nothing to compare")
    report = comparison_report(entries)
    write_report(report, out / "report.html")
    known = {one.name: own for one in entries if (own := one.evaluated.strict.calibration)}
    tables = [one for one in report.blocks if isinstance(one, Table)][:2]
    for block in (*tables, calibration_table(known)) if known else tables:
        output.print(block_table(block))
    messages.print(f"Written to {out / 'report.html'}", soft_wrap=True)
