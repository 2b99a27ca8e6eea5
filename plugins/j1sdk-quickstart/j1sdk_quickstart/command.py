"""`j1 quickstart`: the whole idea on a laptop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from j1sdk import ConfigError, MissingExtraError
from j1sdk.cli.console import (
    block_table,
    messages,
    metrics_table,
    output,
    progress_bars,
    quiet_libraries,
)
from j1sdk.evaluation import Metrics


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write: runs/quickstart, or runs/quickstart-real, unless given.",
)
@click.option("--seed", default=0, show_default=True, help="Of the data and of all training.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run in --out stopped.")
@click.option("--small", is_flag=True, help="A fraction of the work; nothing is learnt.")
@click.option("--real", is_flag=True, help="On language: a pretrained model judges solutions.")
@click.option("--model", help="With --real, the model that becomes a judge: a folder, or a name.")
@click.option(
    "--problems",
    type=click.Path(path_type=Path),
    help="With --real, GSM8K's train.jsonl; from the hub unless given.",
)
def quickstart(
    out: Path | None,
    seed: int,
    resume: bool,
    small: bool,
    real: bool,
    model: str | None,
    problems: Path | None,
) -> None:
    """Train a biased judge to be fair, then a policy by that judge, on a CPU.

    Takes some ten minutes on two cores. Nothing is downloaded: the data are generated, and the
    models are made here. With --real the judge is a pretrained language model, by default
    SmolLM2-135M-Instruct: minutes on a GPU, hours on two cores; it says how many before it starts.
    """
    if not real and (model or problems):
        raise ConfigError("--model and --problems are for --real: the tiny world makes its own")
    if not real:
        # Tiny models gain nothing from more threads, and their figures would depend on how many.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    quiet_libraries()
    out = out or Path("runs/quickstart-real" if real else "runs/quickstart")
    if real:
        on_language(out, seed, resume, small, model, problems)
    else:
        on_sums(out, seed, resume, small)
    messages.print(f"\nJudge: {out / 'judge'}   Metrics: {out / 'metrics.json'}")
    output.print(f"Report: {out / 'report.html'}", soft_wrap=True)


def on_sums(out: Path, seed: int, resume: bool, small: bool) -> None:
    """The tiny world: models made here, judging sums."""
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


def on_language(
    out: Path, seed: int, resume: bool, small: bool, model: str | None, problems: Path | None
) -> None:
    """A pretrained model, judging solutions to word problems."""
    try:
        from j1sdk.report import write_report
        from j1sdk_quickstart.real import ALL, MODEL, RealQuickstart, RealSizes
        from j1sdk_quickstart.real_page import real_report, table
        from j1sdk_quickstart.word_problems import KINDS, PUBLISHED
    except ImportError as error:
        raise MissingExtraError(error.name or "trl", "all") from error
    sizes = RealSizes.small() if small else RealSizes.fitting()
    journey = RealQuickstart(out, seed, sizes, model or MODEL, problems or PUBLISHED)
    messages.print(f"{journey.estimate()} Interrupt it when you like; --resume goes on.")
    with progress_bars() as start:
        metrics = journey.run(start, resume)
    write_report(real_report(journey, metrics), out / "report.html")
    for kind in (ALL, *KINDS):
        output.print(block_table(table(metrics, kind)))


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
