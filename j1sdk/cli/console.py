"""What the commands share: progress bars, tables and quiet libraries."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from j1sdk.evaluation.metrics import RATES, Metrics
from j1sdk.report.blocks import Table as Block
from j1sdk.report.blocks import written

output = Console(markup=False)  # paths and strangers' errors may hold [brackets]
"""What a command was asked for."""
messages = Console(stderr=True, markup=False)
"""Progress, and where things were written."""

Step = Callable[[int, int], None]
EVERY = 30.0
"""Seconds between lines that say how far the work is."""
SHOWN = ("loss", "reward", "judge/accuracy", "judge/verdict_flip_rate", "judge/invalid_rate")
"""What a line of a training's log has, where it is there."""


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Step]]:
    """A function that starts a titled bar and returns what is told (done, in all).

    Where there is no terminal, a line now and then says as much.
    """
    if not messages.is_terminal:
        yield progress_lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=messages) as bars:

        def start(title: str) -> Step:
            bar = bars.add_task(title, total=None)
            return lambda done, total: bars.update(bar, completed=done, total=total)

        yield start


def progress_lines(title: str) -> Step:
    """What is told (done, in all), and prints it after every while, and at the end."""
    begun = said = monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal said
        now = monotonic()
        if done == total or now - said >= EVERY:
            said = now
            messages.print(f"{title}: {done:,} of {total:,}, {now - begun:.0f} s", soft_wrap=True)

    return tell


def log_line(title: str, step: int, steps: int, logged: Mapping[str, Any]) -> str:
    """`Training (grpo): step 40 of 200, reward 0.612, judge/accuracy 0.71`."""
    shown = [f", {name} {logged[name]:.3g}" for name in SHOWN if name in logged]
    return f"{title}: step {step:,} of {steps:,}{''.join(shown)}"


def quiet_libraries() -> None:
    """Keep the libraries underneath from writing over the progress bars."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module=r"(torch|transformers|trl|peft|accelerate)\b.*")
    for library in ("transformers", "trl", "accelerate", "datasets"):
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        from transformers.utils import logging as transformers_logging
    except ImportError:
        return
    transformers_logging.disable_progress_bar()


def metrics_table(title: str, columns: Mapping[str, Metrics]) -> Table:
    """One column per set of metrics, rates with their 95% intervals."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name, measured in columns.items():
        table.add_column(f"{name} (n = {measured.n})", justify="right")
    for key, label in RATES.items():
        table.add_row(
            label.capitalize(), *(show_rate(measured, key) for measured in columns.values())
        )
    bases = [one.base_rate for one in columns.values()]
    if set(bases) != {None}:
        table.add_row("Cohen's kappa", *(show_rate(one, "kappa") for one in columns.values()))
        table.add_row("Base rate", *("-" if one is None else f"{one:.3f}" for one in bases))
    if set(drawn := [one.mean_samples for one in columns.values()]) != {1.0}:
        table.add_row("Samples per judgment", *(f"{count:.2f}" for count in drawn))
    return table


def show_statuses(measured: Metrics) -> None:
    """Print how many judgments ended how, and what to do about those that were cut off."""
    counts = measured.statuses
    output.print(f"Judgments: {', '.join(f'{status} {n}' for status, n in counts.items() if n)}")
    if counts["truncated"] > sum(counts.values()) / 10:
        more = "--set judge.sampling.max_new_tokens=4096"
        output.print(
            f"Many ended at the token limit, before their verdict: raise it, as with {more},"
            " or fine-tune the judge first (trainer `sft`)",
            soft_wrap=True,
        )


def block_table(block: Block) -> Table:
    """A report's table."""
    table = Table(
        title=block.title, title_justify="left", caption=block.note, caption_justify="left"
    )
    for column, name in enumerate(block.header):
        table.add_column(name, justify="right" if block.numeric(column) else "left")
    for row in block.rows:
        table.add_row(*map(written, row))
    return table


def show_rate(measured: Metrics, key: str) -> str:
    """`0.912 [0.880, 0.936]`, or a dash where it is not known."""
    rate = measured.rate(key)
    return "-" if rate is None else f"{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]"
