"""`j1 judge`: judge a file of tasks, one JSON line per judgment."""

from __future__ import annotations

from pathlib import Path

import click

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import (
    messages,
    metrics_table,
    output,
    progress_bars,
    quiet_libraries,
    show_statuses,
)
from j1sdk.cli.evaluate import show_failures, source_of
from j1sdk.cli.fields import FIELDS, Fields, columns_of


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--source", help="A source of tasks, by its name.")
@click.option("--data", type=click.Path(path_type=Path), help="A JSON lines file of tasks.")
@FIELDS
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)
@click.option("--limit", type=click.IntRange(1), help="Judge only the first so many tasks.")
@SETTINGS
def judge(
    run_file: Path,
    source: str | None,
    data: Path | None,
    fields: Fields,
    out: Path,
    limit: int | None,
    settings: tuple[str, ...],
) -> None:
    """Judge every task of --data with the judge of RUN_FILE (or a saved judge's folder).

    Or of --source; without either, the tasks of the run file's [data]. Lines of --data hold
    {prompt, chosen, rejected} or {prompt, responses, preferred?}. Writes judgments.jsonl and
    metrics.json. Interrupted, the same command goes on where it stopped, and asks again where the
    engine failed.
    """
    from j1sdk.judging import Tasks, judge_to_folder
    from j1sdk.run import open_run

    quiet_libraries()
    run = open_run(run_file, settings)
    options = {"limit": limit, "fields": columns_of(fields) or None}
    tasks = Tasks(source_of(run.data, source, data, options))
    with progress_bars() as start:
        measured = judge_to_folder(run.judge, tasks, out, start("Judging"))
    output.print(metrics_table(source or str(data or run_file), {run.judge.format.name: measured}))
    show_statuses(measured)
    messages.print(f"Written to {out / 'judgments.jsonl'}", soft_wrap=True)
    show_failures(measured, out)
