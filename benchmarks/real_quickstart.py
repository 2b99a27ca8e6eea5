"""What runs of `j1 quickstart --real` showed: each start, its controls, and how it learnt.

    for seed in 0 1 2; do j1 quickstart --real --seed $seed --out runs/real-$seed; done
    python benchmarks/real_quickstart.py runs/real-* --out benchmarks/results/real

Runs that did not come to their end are told as far as they came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from j1sdk_quickstart.real import ALL, ARMS
from j1sdk_quickstart.real_page import SHOWN
from j1sdk_quickstart.word_problems import KINDS
from recording import Row, half_width, parser, record, spread

from j1sdk.evaluation import Metrics
from j1sdk.training.session import LOG_FILE

ROLLOUTS = {
    "right in both orders": "judge/position_consistent_accuracy",
    "flips": "judge/verdict_flip_rate",
}
"""What is drawn of the rollouts of each step, and its name in a training's log."""
SIDES = {"warm_start": "#999999", "labels": "#0072b2", "tosses": "#d55e00"}
KIND_LABELS = {
    "off-topic": "the solution of another problem",
    "last-step": "a wrong last step, in the same words",
}
COLOURS = {"labels": "#0072b2", "tosses": "#d55e00"}


class Start(NamedTuple):
    """One run's folder."""

    folder: Path

    @property
    def asked(self) -> dict[str, Any]:
        """Its seed, sizes, model and problems."""
        found: dict[str, Any] = json.loads((self.folder / "quickstart.json").read_text("utf-8"))
        return found

    @property
    def name(self) -> str:
        return str(self.asked["seed"])

    def judged(self) -> dict[str, dict[str, Metrics]]:
        """What was measured of each judge, on each kind of pairs."""
        files = {arm: self.folder / "stages" / f"judged_{arm}.json" for arm in ARMS}
        read = {
            arm: json.loads(file.read_text("utf-8")) for arm, file in files.items() if file.exists()
        }
        return {
            arm: {
                kind: Metrics.model_validate(one)
                for kind, one in found["result"]["metrics"].items()
            }
            for arm, found in read.items()
        }

    def curve(self, arm: str, key: str) -> list[float]:
        """A quantity of the rollouts, step by step."""
        log = json.loads((self.folder / "stages" / arm / LOG_FILE).read_text("utf-8"))
        return [entry[key] for entry in log if key in entry]


def table(starts: Sequence[Start]) -> Iterator[Row]:
    """A row for each judge of each start on each kind of pairs."""
    for start in starts:
        for arm, found in start.judged().items():
            for kind in (ALL, *KINDS):
                rates = {label: getattr(found[kind], key) for key, label in SHOWN.items()}
                told = {label: "-" if rate is None else rate for label, rate in rates.items()}
                yield {
                    "start": start.name,
                    "judge": ARMS[arm],
                    "pairs": kind,
                    "n": found[kind].n,
                } | told


def gains(rows: Sequence[Row]) -> dict[str, str]:
    """What labels add to lots, start by start."""
    added = {}
    for kind in (ALL, *KINDS):
        for label in ("right in both orders", "flips"):
            by = [
                {
                    row["start"]: row[label]
                    for row in rows
                    if (row["judge"], row["pairs"]) == (name, kind)
                }
                for name in (ARMS["labels"], ARMS["tosses"])
            ]
            apart = [by[0][start] - by[1][start] for start in by[0] if start in by[1]]
            added[f"{label}, {kind}: GRPO by labels less by lots"] = spread(apart)
    return added


def curves(starts: Sequence[Start]) -> dict[str, str]:
    """The rollouts' figures as text, so that they can be compared."""
    return {
        f"rollouts {label}, start {start.name}, {arm}": " ".join(
            f"{value:.2f}" for value in start.curve(arm, key)
        )
        for label, key in ROLLOUTS.items()
        for start in starts
        for arm in COLOURS
    }


def draw(starts: Sequence[Start], path: Path) -> None:
    """A line for each start and reward; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (label, key) in zip(figure.subplots(1, 2), ROLLOUTS.items(), strict=True):
        for arm, colour in COLOURS.items():
            for start in starts:
                shown = ARMS[arm] if start is starts[0] else None
                axes.plot(start.curve(arm, key), color=colour, label=shown)
        axes.set(title=f"rollouts: {label}", xlabel="step", ylim=(0, 1))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.savefig(path, metadata={"Date": None})


def bars(rows: Sequence[Row], path: Path) -> None:
    """Before and after, for each kind of pairs: the mean over starts, and its interval."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    for place, (arm, colour) in enumerate(SIDES.items()):
        for kind, label in enumerate(KINDS):
            measured = values(rows, arm, label, "right in both orders")
            half = half_width(measured) if len(measured) > 1 else 0.0
            mean, where = fmean(measured), kind + 0.27 * (place - 1)
            errors = [[min(half, mean)], [min(half, 1 - mean)]]
            name = None if kind else ARMS[arm]
            axes.bar(where, mean, 0.25, yerr=errors, capsize=4, color=colour, label=name)
            axes.text(where + 0.03, mean + 0.02, f"{mean:.2f}", fontsize=9)
    axes.set_xticks(range(len(KINDS)), [KIND_LABELS[kind] for kind in KINDS])
    axes.set(ylabel="right in both orders", ylim=(0, 1.08))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    figure.savefig(path, metadata={"Date": None})


def values(rows: Sequence[Row], arm: str, kind: str, label: str) -> list[float]:
    """One value for each start."""
    return [row[label] for row in rows if (row["judge"], row["pairs"]) == (ARMS[arm], kind)]


def told(asked: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in asked["sizes"].items())


def main() -> None:
    """Read the runs, print, write."""
    options = parser((__doc__ or "").splitlines()[0])
    options.add_argument("runs", type=Path, nargs="+", help="folders of `j1 quickstart --real`")
    options.add_argument("--note", action="append", default=[], help="what else is to be known")
    chosen = options.parse_args()
    starts = [Start(folder) for folder in chosen.runs]
    rows = list(table(starts))
    record(
        "real_quickstart",
        "A pretrained model learns to judge solutions to word problems",
        rows,
        chosen.out,
        **gains(rows),
        sizes=told(starts[0].asked),
        intervals="Student's t over starts, which share the pretrained model",
        **curves(starts),
        **{f"note {number}": note for number, note in enumerate(chosen.note, 1)},
    )
    draw(starts, chosen.out / "real_quickstart.svg")
    bars(rows, chosen.out / "real_quickstart_bars.svg")


if __name__ == "__main__":
    main()
