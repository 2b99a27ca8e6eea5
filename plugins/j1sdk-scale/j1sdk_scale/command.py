"""`j1 scale`: what more samples, or more thinking, buy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from j1sdk.cli import SETTINGS
from j1sdk.cli.console import messages, output, progress_bars, quiet_libraries, show_rate
from j1sdk.cli.evaluate import source_of
from j1sdk.cli.fields import FIELDS, Fields, columns_of
from j1sdk.evaluation.metrics import RATES

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel
    from j1sdk_scale.spending import Spending


def counts_of(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    try:
        counts = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        counts = ()
    if not counts or min(counts) < 1:
        raise click.BadParameter(f"{text!r} is no list of counts such as 1,2,4")
    return counts


@click.command()
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="A JSON lines file of pairs.")
@FIELDS
@click.option("--source", help="A source of tasks by name, such as arithmetic.")
@click.option(
    "--n",
    "counts",
    type=counts_of,
    default="1,2,4,8",
    metavar="N,N,...",
    help="Samples of a presentation, or rounds of forced thinking.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write.",
)
@click.option("--limit", type=click.IntRange(1), help="Judge only the first so many tasks.")
@click.option("--temperature", type=click.FloatRange(0), help="Instead of the judge's own.")
@click.option("--seed", type=int, help="Of the samples; the judge's own, or 0, unless given.")
@SETTINGS
def scale(
    run_file: Path,
    data: Path | None,
    fields: Fields,
    source: str | None,
    counts: tuple[int, ...],
    out: Path,
    limit: int | None,
    temperature: float | None,
    seed: int | None,
    settings: tuple[str, ...],
) -> None:
    """Draw accuracy, consistency, flips and ties against tokens, for each way to scale.

    The judge of RUN_FILE (or a saved judge's folder) draws its samples once; votes, early-stopped
    votes, means and the judge's own scaling are computed from the same ones. A budget-forcing
    judge is compared with votes of as many tokens. Writes scaling.json and report.html.
    Interrupted, the same command goes on where it stopped.
    """
    from j1sdk.report import write_report
    from j1sdk.run import open_run
    from j1sdk_scale.page import spending_report
    from j1sdk_scale.study import failed_samples, scale_to_folder

    quiet_libraries()
    run = open_run(run_file, settings)
    judge = resampled(run.judge, temperature, seed)
    options = {"limit": limit, "fields": columns_of(fields) or None}
    tasks = source_of(run.data, source, data, options).load()
    with progress_bars() as start:
        spent = scale_to_folder(judge, tasks, counts, out, start("Judging"))
    failures = failed_samples(out)
    title = f"Test-time scaling of a {run.judge.format.name} judge"
    write_report(spending_report(title, spent), out / "report.html")
    output.print(spending_table(spent))
    messages.print(f"Written to {out / 'report.html'}", soft_wrap=True)
    if failures:
        messages.print(failures, soft_wrap=True)


def resampled(
    judge: JudgeRewardModel, temperature: float | None, seed: int | None
) -> JudgeRewardModel:
    """The judge with another sampling, always with a seed."""
    sampling = judge.sampling
    known = {
        "temperature": sampling.temperature if temperature is None else temperature,
        "seed": (sampling.seed or 0) if seed is None else seed,
    }
    return judge.replace(sampling=sampling.replace(**known))


def spending_table(spent: Sequence[Spending]) -> Table:
    """A row per strategy and count."""
    table = Table("strategy", "n", "calls", "tokens", *RATES.values())
    for one in spent:
        rates = (show_rate(one.metrics, key) for key in RATES)
        table.add_row(one.strategy, str(one.n), f"{one.calls:.1f}", f"{one.tokens:.0f}", *rates)
    return table
