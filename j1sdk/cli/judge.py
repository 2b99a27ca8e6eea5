"""`j1 judge`: judge a file of tasks, one JSON line per judgment."""

from __future__ import annotations

from pathlib import Path

import click

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import messages, metrics_table, output, progress_bars, quiet_libraries
from j1sdk.cli.evaluate import show_failures, source_of
from j1sdk.cli.fields import FIELDS, Fields, columns_of


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
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
    data: Path | None,
    fields: Fields,
    out: Path,
    limit: int | None,
    settings: tuple[str, ...],
) -> None:
    """Judge every task of --data with the judge of RUN_FILE (or a saved judge's folder).

    Lines of --data hold {prompt, chosen, rejected} or {prompt, responses, preferred?}. Writes
    judgments.jsonl and metrics.json. Interrupted, the same command goes on where it stopped, and
    asks again where the engine failed.
    """
    from j1sdk.judging import Tasks, judge_to_folder
    from j1sdk.run import open_run

    quiet_libraries()
    run = open_run(run_file, settings)
    source = source_of(run.data, None, data, {"limit": limit, "fields": columns_of(fields) or None})
    with progress_bars() as start:
        measured = judge_to_folder(run.judge, Tasks(source), out, start("Judging"))
    output.print(metrics_table(str(data or run_file), {run.judge.format.name: measured}))
    counts = ", ".join(f"{status} {count}" for status, count in measured.statuses.items() if count)
    output.print(f"Judgments: {counts}")
    messages.print(f"Written to {out / 'judgments.jsonl'}", soft_wrap=True)
    show_failures(measured, out)
