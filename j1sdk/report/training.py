"""The report that `j1 train` writes: everything that was logged, as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from j1sdk.evaluation.metrics import RATES
from j1sdk.report import (
    Block,
    Curves,
    Report,
    Table,
)
from j1sdk.run import Run

Log = Sequence[Mapping[str, Any]]
GAINS = {"rewards/margins": "margin", "rewards/chosen": "chosen", "rewards/rejected": "rejected"}
LENGTHS = {"completions/mean_length": "mean", "completions/max_length": "longest"}


def training_report(run: Run, history: Log) -> Report:
    """What `j1 train` writes: everything that was logged, as curves."""
    trainers = ", ".join(part.name for part in run.train.parts) if run.train else "training"
    phases = dict.fromkeys(entry.get("phase", "") for entry in history)
    logs = {phase: [one for one in history if one.get("phase", "") == phase] for phase in phases}
    return Report(
        title=f"Training {trained(run)} ({trainers})",
        summary=f"Seed {run.seed}. The run file beside it says how it was made.",
        blocks=tuple(
            block.model_copy(update={"title": f"{phase}: {block.title}" if phase else block.title})
            for phase, log in logs.items()
            for block in [*taken(log), *training_blocks(log)]
        ),
    )


def trained(run: Run) -> str:
    """What a run trains, in words."""
    judge = f"a {run.judge.format.name} judge"
    return f"a policy by {judge}" if run.train and run.train.leaves == "policy" else judge


def taken(history: Log) -> list[Block]:
    """What was taken from the data and left out, where that was logged."""
    rows = [
        (key.removeprefix("data/"), count)
        for entry in history
        for key, count in entry.items()
        if key.startswith("data/")
    ]
    title = "What was learnt from"
    return [Table(title=title, header=("", "count"), rows=tuple(rows))] if rows else []


def training_blocks(history: Log) -> list[Block]:
    """Curves of a log: rewards by term, rates, lengths, loss; those that were logged."""
    terms = sorted({key for entry in history for key in entry if _is_term(key)})
    charts = [
        curves(
            "Reward",
            "mean reward",
            history,
            {"reward": "weighted sum"} | {key: _term(key) for key in terms},
        ),
        *(rates(history, title) for title in ("", *_titles(history))),
        curves("Responses without a score", "share", history, {"j1/unscored": "unscored"}),
        curves("Preferences", "share", history, {"rewards/accuracies": "chosen gained more"}),
        curves("What preferences gained", "implicit reward", history, GAINS),
        curves("Completion length", "tokens", history, LENGTHS),
        curves("Loss", "loss", history, {"loss": "loss"}),
        curves("Entropy", "nats per token", history, {"entropy": "entropy"}),
    ]
    return [chart for chart in charts if chart.series]


def rates(history: Log, title: str) -> Curves:
    """How the rollouts of a format were judged; the judge's own format has no title."""
    behind, place = (f" ({title})", f"{title}/") if title else ("", "")
    names = {f"judge/{place}{key}": label for key, label in RATES.items()}
    return curves(f"How rollouts were judged{behind}", "share", history, names)


def _titles(history: Log) -> list[str]:
    """The formats that were trained beside the judge's own."""
    told = {tuple(key.split("/")) for entry in history for key in entry}
    return sorted(key[1] for key in told if (key[0], key[2:]) == ("judge", ("accuracy",)))


def _is_term(key: str) -> bool:
    return key.startswith("rewards/") and key.endswith("/mean")


def _term(key: str) -> str:
    """The reward, behind the format that it grades where there are several."""
    return key.removeprefix("rewards/").removesuffix("/mean")


def curves(title: str, y: str, history: Log, names: Mapping[str, str]) -> Curves:
    """One line per logged quantity."""
    series = {label: points(history, key) for key, label in names.items()}
    known = {label: line for label, line in series.items() if line}
    return Curves(title=title, x="step", y=y, series=known)


def points(history: Log, key: str) -> list[tuple[float, float]]:
    """(step, value) wherever a log has the quantity."""
    return [(entry["step"], entry[key]) for entry in history if entry.get(key) is not None]
