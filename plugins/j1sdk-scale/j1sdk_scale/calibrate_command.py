"""`j1 calibrate`: how sure a cascade's fast reading has to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import block_table, messages, output, progress_bars, quiet_libraries
from j1sdk.cli.evaluate import source_of
from j1sdk.cli.fields import FIELDS, Fields, columns_of
from j1sdk.errors import ConfigError

if TYPE_CHECKING:
    from j1sdk_scale.calibration import Calibration


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A JSON lines file of pairs.")
@FIELDS
@click.option("--source", help="A source of tasks by name, such as arithmetic.")
@click.option("--seed", type=int, help="Of the source's tasks.")
@click.option("--limit", type=click.IntRange(1), help="Judge only the first so many pairs.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)
@SETTINGS
def calibrate(
    run_file: Path,
    data: Path | None,
    fields: Fields,
    source: str | None,
    seed: int | None,
    limit: int | None,
    out: Path,
    settings: tuple[str, ...],
) -> None:
    """Fit how sure a cascade's fast reading has to be to stand.

    The judge of RUN_FILE (or a saved judge's folder), whose scaling is a cascade, judges the pairs
    at both speeds, in both orders; no labels are needed. `sure` becomes the lowest probability at
    which no more than `risk` of all pairs are decided otherwise than by thinking, with 95%
    confidence, and is written into the run file. Writes calibration.json and report.html too.
    Interrupted, the same command goes on where it stopped.
    """
    from j1sdk.report import write_report
    from j1sdk.run import open_run
    from j1sdk_scale.calibration import calibrate_to_folder
    from j1sdk_scale.calibration_page import calibration_report, summary, thresholds_table

    quiet_libraries()
    file = written_file(run_file, settings)
    run = open_run(run_file, (*settings, "judge.scaling.sure=1.0"))
    options = {"limit": limit, "fields": columns_of(fields) or None, "seed": seed}
    tasks = source_of(run.data, source, data, options).load()
    with progress_bars() as begin:
        fitted = calibrate_to_folder(run.judge, tasks, out, begin)
    write_report(calibration_report(fitted), out / "report.html")
    output.print(block_table(thresholds_table(fitted)))
    messages.print(summary(fitted), soft_wrap=True)
    keep(fitted, file)
    messages.print(f"Written to {file} and {out / 'report.html'}", soft_wrap=True)


def written_file(run_file: Path, settings: tuple[str, ...]) -> Path:
    """The file that the threshold is to be written into; ConfigError where it has no cascade."""
    from j1sdk.runfile import RUN_FILE, read_tables

    file = run_file / RUN_FILE if run_file.is_dir() else run_file
    scaling = read_tables(file, settings).get("judge", {}).get("scaling")
    name = scaling.get("name") if isinstance(scaling, dict) else scaling
    if name != "cascade":
        raise ConfigError(
            f"{file}: judge.scaling is {name or 'single'}, and `j1 calibrate` fits a cascade: write"
            ' scaling = { name = "cascade" } into [judge]'
        )
    return file


def keep(fitted: Calibration, file: Path) -> None:
    """Write the threshold into the run file, and leave all else there as it is.

    Raises ConfigError where there is none, so that the command fails.
    """
    import tomlkit

    from j1sdk.files import write_text

    if fitted.sure is None:
        raise ConfigError(
            f"no threshold keeps disagreements within {fitted.risk:g}, so {file} is as it was:"
            " distil the fast reading, allow more risk, or let the judge always think"
        )
    document: Any = tomlkit.parse(file.read_text(encoding="utf-8"))
    judge = document["judge"]
    if not hasattr(judge.get("scaling"), "keys"):  # the bare name, or from --set
        judge["scaling"] = tomlkit.inline_table()
        judge["scaling"]["name"] = "cascade"
    judge["scaling"]["sure"] = fitted.sure
    write_text(file, tomlkit.dumps(document))
