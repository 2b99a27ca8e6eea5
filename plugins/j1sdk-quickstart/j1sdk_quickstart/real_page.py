"""What `j1 quickstart --real` shows: a table at the end, and a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from j1sdk.evaluation import Metrics
from j1sdk.report import Bars, Block, Curves, Report, Table
from j1sdk.report.training import points
from j1sdk_quickstart.page import provenance, transcripts, verdicts
from j1sdk_quickstart.real import ALL, ARMS, RealQuickstart
from j1sdk_quickstart.word_problems import KINDS

SHOWN = {
    "accuracy": "accuracy",
    "position_consistent_accuracy": "right in both orders",
    "verdict_flip_rate": "flips",
    "invalid_rate": "unreadable",
}
"""The metrics shown, by their keys."""
TRAINED = ("warm_start", "labels", "tosses")
"""The judges that GRPO began with, and what it made of them."""
TOLD = tuple(SHOWN)[1:]
"""Those in the tables."""


def real_report(journey: RealQuickstart, metrics: Mapping[str, Any]) -> Report:
    """What `j1 quickstart --real` writes."""
    blocks: list[Block] = [
        *(table(metrics, kind) for kind in (ALL, *KINDS)),
        *(bars(metrics, kind) for kind in KINDS),
        verdicts({ARMS[arm]: metrics["verdicts"][arm] for arm in TRAINED}),
        curves(journey, "judge/position_consistent_accuracy", "right in both orders"),
        curves(journey, "judge/verdict_flip_rate", "flips"),
        transcripts("Pairs in both orders, before GRPO", journey.transcripts("judged_warm_start")),
        transcripts("The same pairs, after it", journey.transcripts("judged_labels")),
        provenance(metrics),
    ]
    return Report(
        title="Quickstart on language: a judge of solutions", summary=SUMMARY, blocks=tuple(blocks)
    )


SUMMARY = (
    "A pretrained model was shown how to judge solutions to word problems, and to say A too often."
    " GRPO with a verifiable reward then trained it, both orders of a pair in"
    " every batch. Two kinds of pairs: the solution of another problem, which shared words give"
    " away, and a wrong result of the last calculation, which they do not. The problems measured"
    " here were shown in no training. Intervals are 95%, over pairs; this is one run of one seed."
)


def table(metrics: Mapping[str, Any], kind: str) -> Table:
    """Every judge on one kind of pairs, and the rule that counts shared words."""
    rows: list[tuple[Any, ...]] = []
    for arm, label in ARMS.items():
        measured = found(metrics, arm, kind)
        rows.append((f"{label} (n = {measured.n})", *(measured.rate(key) for key in TOLD)))
    if kind in metrics["shared_words"]:  # it has no orders: right in one is right in both
        rows.append(("more shared words win", metrics["shared_words"][kind], None, None))
    return Table(
        title=f"Pairs never seen, {kind} (greedy)",
        header=("judge", *(SHOWN[key] for key in TOLD)),
        rows=tuple(rows),
    )


def found(metrics: Mapping[str, Any], arm: str, kind: str) -> Metrics:
    """What was measured of a judge on a kind of pairs."""
    return Metrics.model_validate(metrics["judge"][arm][kind])


def bars(metrics: Mapping[str, Any], kind: str) -> Bars:
    """Each judge on one kind of pairs."""
    measured = {label: found(metrics, arm, kind) for arm, label in ARMS.items()}
    groups = {
        shown: {label: one.rate(key) for label, one in measured.items()}
        for key, shown in SHOWN.items()
    }
    most = max(one.n for one in measured.values())
    return Bars(title=f"Pairs of the kind {kind}", y=f"share (n = {most} pairs)", groups=groups)


def curves(journey: RealQuickstart, key: str, y: str) -> Curves:
    """What the rollouts of each step were like."""
    series = {ARMS[arm]: points(journey.log(arm), key) for arm in TRAINED[1:]}
    return Curves(title=f"GRPO's rollouts: {y}", x="step", y=y, series=series)
