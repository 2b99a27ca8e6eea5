"""`j1 data`: make preference pairs, and look at them before training on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.table import Table

from j1sdk.cli import Group
from j1sdk.cli.console import messages, output, progress_bars, quiet_libraries
from j1sdk.cli.fields import FIELDS, Fields, columns_of, named

if TYPE_CHECKING:
    from j1sdk.report.blocks import Table as Block
    from j1sdk_data.building import Counts

OUT = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)


@click.group(cls=Group)
def data() -> None:
    """Make preference pairs, and check them."""


@data.command()
@click.argument("build_file", type=click.Path(path_type=Path))
@OUT
@click.option("--limit", type=click.IntRange(1), help="Only the first so many items.")
def build(build_file: Path, out: Path, limit: int | None) -> None:
    """Make pairs as BUILD_FILE says, whose [builder] table names a builder.

    Writes pairs.jsonl, counts.json with every failure by its reason, and run.toml. Interrupted,
    the same command goes on where it stopped.
    """
    from j1sdk_data.building import PAIRS_FILE, build_to_folder, read_build

    quiet_libraries()
    builder = read_build(build_file)
    with progress_bars() as start:
        counts = build_to_folder(builder, out, limit, start("Building"))
    output.print(counts_table(builder.name, counts))
    messages.print(f"Written to {out / PAIRS_FILE}", soft_wrap=True)


def counts_table(name: str, counts: Counts) -> Table:
    """A row per count; the failures, and the items built, add up to the items."""
    table = Table("", title="Pairs built", title_justify="left")
    table.add_column(name, justify="right")
    rows = {"items": counts.items, "built": counts.built, "pairs": counts.pairs}
    rows |= {f"failed: {reason}": number for reason, number in counts.failures.items()}
    rows |= {f"counted: {what}": number for what, number in counts.counts.items()}
    rows |= {"calls": counts.usage.calls, "tokens written": counts.usage.completion_tokens}
    for what, number in rows.items():
        table.add_row(what, f"{number:,}")
    return table


def named_path(text: str) -> tuple[str, Path]:
    """NAME=PATH."""
    name, path = named(text, "PATH")
    return name, Path(path)


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@FIELDS
@click.option("--limit", type=click.IntRange(1), default=3, show_default=True, help="Tasks shown.")
def show(file: Path, fields: Fields, limit: int) -> None:
    """Print the first tasks of FILE as they are understood.

    FILE is a file, a folder of save_to_disk, or a data set on the hub (owner/name,
    owner/name/config:split).
    """
    from j1sdk.data.jsonl import JsonLines
    from j1sdk_data.showing import task_lines

    for task in JsonLines(path=file, fields=columns_of(fields), limit=limit).load():
        for line in task_lines(task):
            output.print(line, highlight=False)


@data.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--benchmark",
    "benchmarks",
    type=named_path,
    multiple=True,
    metavar="NAME=PATH",
    help="A benchmark's file, .jsonl, .json or text, to look for in the data.",
)
@click.option(
    "--words",
    type=click.IntRange(2),
    default=13,
    show_default=True,
    help="Words in a row that a row and a benchmark must share.",
)
@click.option(
    "--similarity",
    type=click.FloatRange(0.5, 1),
    default=0.8,
    show_default=True,
    help="From which two prompts count as nearly the same.",
)
@click.option("--seed", default=0, show_default=True, help="Of folds and control labels.")
@FIELDS
@OUT
def check(
    files: tuple[Path, ...],
    benchmarks: tuple[tuple[str, Path], ...],
    words: int,
    similarity: float,
    seed: int,
    fields: Fields,
    out: Path,
) -> None:
    """Look for what makes FILES bad data to train a judge on.

    Copies and contradictions, benchmarks in the data, labels out of balance, and cues that tell the
    label without reading. Writes quality.json and report.html.
    """
    from j1sdk.files import write_text
    from j1sdk.report import write_report
    from j1sdk_data.quality import check as look
    from j1sdk_data.quality.page import quality_report, tables, verdict

    with progress_bars() as start:
        found = look(files, dict(benchmarks), words, similarity, seed, start, columns_of(fields))
    write_text(out / "quality.json", found.model_dump_json(indent=2))
    write_report(quality_report(found), out / "report.html")
    for table in tables(found):
        output.print(block_table(table))
    output.print(verdict(found.cues))
    messages.print(f"Written to {out / 'report.html'}", soft_wrap=True)


def block_table(block: Block) -> Table:
    """A report's table as the terminal's; numbers to the right."""
    from j1sdk.report.blocks import written

    table = Table(
        title=block.title, title_justify="left", caption=block.note, caption_justify="left"
    )
    for column, name in enumerate(block.header):
        justify: Literal["left", "right"] = "right" if block.numeric(column) else "left"
        table.add_column(name, justify=justify, overflow="fold")
    for row in block.rows:
        table.add_row(*map(written, row))
    return table
