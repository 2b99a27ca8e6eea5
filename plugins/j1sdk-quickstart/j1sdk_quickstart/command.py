"""`j1 quickstart`: the whole idea on a laptop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from j1sdk import MissingExtraError
from j1sdk.cli.console import messages, metrics_table, output, progress_bars, quiet_libraries
from j1sdk.evaluation import Metrics


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/quickstart"),
    show_default=True,
    help="Folder to write.",
)
@click.option("--seed", default=0, show_default=True, help="Of the data and of all training.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run in --out stopped.")
@click.option("--small", is_flag=True, help="A fraction of the work; nothing is learnt.")
def quickstart(out: Path, seed: int, resume: bool, small: bool) -> None:
    """Train a biased judge to be fair, then a policy by that judge, on a CPU.

    Takes a few minutes on two cores. Nothing is downloaded: the data are generated, and the
    models are made here.
    """
    # Tiny models gain nothing from more threads, and their figures would depend on how many.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    quiet_libraries()
    try:
        from j1sdk.report import write_report
        from j1sdk_quickstart.page import quickstart_report
        from j1sdk_quickstart.quickstart import Quickstart, Sizes
    except ImportError as error:
        raise MissingExtraError(error.name or "trl", "all") from error
    journey = Quickstart(out, seed, Sizes.small() if small else Sizes())
    with progress_bars() as start:
        metrics = journey.run(start, resume)
    write_report(quickstart_report(journey, metrics), out / "report.html")
    show(metrics)
    messages.print(f"\nJudge: {out / 'judge'}   Metrics: {out / 'metrics.json'}")
    output.print(f"Report: {out / 'report.html'}", soft_wrap=True)


def show(metrics: dict[str, Any]) -> None:
    """The summary: the judge before and after, and what each reward did for the policy."""
    from j1sdk_quickstart.page import POLICIES

    judge = {name: Metrics.model_validate(metrics["judge"][name]) for name in ("before", "after")}
    output.print(metrics_table("The judge, on sums it never saw", judge))
    table = Table(title="The policy's exact match, by the reward it had", title_justify="left")
    for column in ("", "greedy", "gain", "sampled"):
        table.add_column(column, justify="left" if not column else "right")
    start = metrics["policy"]["before"]["exact_match"]
    for name, found in metrics["policy"].items():
        greedy, gain = found["exact_match"], found["exact_match"] - start
        shown = "" if name == "before" else f"{gain:+.3f}"
        table.add_row(POLICIES[name], f"{greedy:.3f}", shown, f"{found['exact_match_sampled']:.3f}")
    output.print(table)
    output.print(f"{sum(metrics['seconds'].values()):.0f} seconds in all")
