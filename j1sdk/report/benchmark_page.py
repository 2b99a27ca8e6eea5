"""The page that shows runs on a benchmark beside each other: one, or any number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.bootstrap import Score
from j1sdk.evaluation.calibration import Calibration
from j1sdk.evaluation.comparison import compare
from j1sdk.evaluation.credits import CONSISTENT, STRICT
from j1sdk.evaluation.entries import Entry
from j1sdk.evaluation.evaluations import Evaluation
from j1sdk.evaluation.metrics import BY_ORDER, RATES
from j1sdk.report import (
    Bars,
    Block,
    Curves,
    Histogram,
    Rate,
    Report,
    Table,
)
from j1sdk.report.blocks import Cell
from j1sdk.report.disagreements import disagreements

FAULTS = ("verdict_flip_rate", "tie_rate", "invalid_rate")
POSITION = {
    f"{BY_ORDER}0,1": "accuracy, order 0,1",
    f"{BY_ORDER}1,0": "accuracy, order 1,0",
    "position_consistent_accuracy": "position-consistent",
    "verdict_flip_rate": "verdict flips",
}


def comparison_report(entries: Sequence[Entry]) -> Report:
    """The page of these runs; raises DataError where they have no task in common."""
    benchmark = entries[0].evaluated.benchmark
    names = " and ".join(entry.name for entry in entries)
    readings = {
        f"{entry.name}, {words}" if entry.evaluated.lenient else entry.name: reading
        for entry in entries
        for words, reading in entry.evaluated.readings.items()
    }
    lenient = {entry.name: entry.evaluated.lenient for entry in entries if entry.evaluated.lenient}
    blocks: list[Block | None] = [
        score_table(benchmark, {entry.name: entry.evaluated.strict for entry in entries}),
        difference_table(benchmark, entries) if entries[1:] else None,
        reading_table(readings),
        score_table(benchmark, lenient, "Scores of a lenient reading") if lenient else None,
        position_bars(entries),
        *calibration_blocks({entry.name: entry.evaluated.strict for entry in entries}),
        subset_table(readings, "accuracy"),
        subset_table(readings, "position_consistent_accuracy"),
        status_table(entries),
        difference_histogram(entries),
        *disagreements(entries),
    ]
    return Report(
        title=f"{names} on {benchmark.name}",
        summary="\n\n".join(_summary(entry) for entry in entries),
        blocks=tuple(block for block in blocks if block),
    )


def _summary(entry: Entry) -> str:
    evaluated, notes = entry.evaluated, " ".join(entry.evaluated.strict.notes)
    headline = evaluated.headline
    if headline is None:
        return f"{entry.name}: {notes}"
    told = f"{headline.value:.3f} [{headline.low:.3f}, {headline.high:.3f}], n = {headline.n:,}"
    return f"{entry.name}: {headline.name} {told}. {notes}".rstrip()


def score_table(
    benchmark: Benchmark, readings: Mapping[str, Evaluation], title: str = "Scores"
) -> Table:
    """Every score of every run, the official one first."""
    names = dict.fromkeys(score.name for one in readings.values() for score in one.scores)
    ordered = sorted(names, key=lambda name: name != benchmark.headline)
    rows: list[tuple[Cell, ...]] = []
    for name in ordered:
        scores = [one.score(name) for one in readings.values()]
        counts = dict.fromkeys(f"{score.n:,}" for score in scores if score)
        rows.append((name, *map(_rate, scores), " | ".join(counts)))
    return Table(
        title=title,
        note=f"The official score is {benchmark.headline!r}. Intervals are 95%, from a bootstrap"
        " over tasks, subset by subset; n is the number of tasks that a score is of.",
        header=("", *readings, "n"),
        rows=tuple(rows),
    )


def _rate(score: Score | None) -> Rate | None:
    return score.rate if score else None


def difference_table(benchmark: Benchmark, entries: Sequence[Entry]) -> Table:
    """Every run less the first, on the tasks of both."""
    first, *others = entries
    compared = [compare(benchmark, first.units, other.units) for other in others]
    named = dict.fromkeys((benchmark.headline, STRICT, CONSISTENT))
    rows: list[tuple[Cell, ...]] = [
        (name, *(_rate(one.difference(name)) for one in compared)) for name in named
    ]
    rows += [
        ("tasks of both", *(one.n for one in compared)),
        (f"tasks for {first.name} alone", *(one.only_first for one in compared)),
        ("tasks for the other alone", *(one.only_second for one in compared)),
        ("p of McNemar's exact test", *(one.p_value for one in compared)),
    ]
    return Table(
        title=f"Differences from {first.name}",
        note="On the tasks that both judged. Intervals are 95% of a bootstrap that draws the same"
        f" tasks for both. A task is for the run that it brought more of {benchmark.headline!r};"
        " McNemar's test is not known where a run does not have that score.",
        header=("", *(other.name for other in others)),
        rows=tuple(rows),
    )


def reading_table(readings: Mapping[str, Evaluation]) -> Table:
    """What the scores do not say of every reading: flips, ties, failures and lengths."""
    rows = [
        (
            name,
            one.metrics.rate("kappa") if one.metrics.kappa is not None else None,
            one.metrics.base_rate,
            *(one.metrics.rate(key) for key in FAULTS),
            one.metrics.mean_completion_tokens or None,
            one.thought_length,
        )
        for name, one in readings.items()
    ]
    names = ("kappa", "base rate", "verdicts that flip", "ties", "failures", "tokens", "thought")
    return Table(
        title="Agreement, flips, ties and failures",
        note="Cohen's kappa is agreement with gold above chance; the base rate is how often always"
        " naming one place would be right. With 95% Wilson intervals. Tokens written and characters"
        " of thought are means per judgment. A lenient reading takes an answer from anywhere.",
        header=("", *names),
        rows=tuple(rows),
    )


def position_bars(entries: Sequence[Entry]) -> Bars | None:
    """Accuracy by order, and what is left when both must be right; None for pointwise runs."""
    groups = {
        entry.name: {
            label: measured.rate(key)
            for key, label in POSITION.items()
            if key in measured.intervals
        }
        for entry in entries
        if (measured := entry.evaluated.strict.metrics).accuracy_by_order
    }
    note = "Order 0,1 shows the responses as the benchmark has them, and 1,0 swapped."
    return Bars(title="Position bias", note=note, y="share", groups=groups) if groups else None


def calibration_blocks(readings: Mapping[str, Evaluation]) -> list[Block]:
    """How far confidence can be trusted; nothing where no probabilities were recorded."""
    known = {name: one.calibration for name, one in readings.items() if one.calibration}
    if not known:
        return []
    reliability = {
        name: [(bin.confidence, bin.right) for bin in one.bins] for name, one in known.items()
    }
    return [
        calibration_table(known),
        Curves(
            title="Share right by confidence",
            note="A judge that is right as often as it says is on the diagonal.",
            x="mean confidence",
            y="share right",
            series={**reliability, "diagonal": [(0.5, 0.5), (1.0, 1.0)]},
        ),
        Curves(
            title="Share right of the surest pairs",
            note="Of so many pairs, those of which the judge was most certain.",
            x="share of the pairs",
            y="share right",
            series={name: list(one.coverage) for name, one in known.items()},
        ),
    ]


def calibration_table(known: Mapping[str, Calibration]) -> Table:
    """Scores of confidence."""
    return Table(
        title="Calibration",
        note="Of pairs whose verdicts have probabilities, in both orders; 95% bootstrap intervals."
        " Always saying one half has a Brier score of 0.25 and a log score of 0.693.",
        header=("", "calibration error", "Brier score", "log score", "pairs"),
        rows=tuple((name, one.error, one.brier, one.log, one.n) for name, one in known.items()),
    )


def subset_table(readings: Mapping[str, Evaluation], key: str) -> Table | None:
    """One rate of every reading by subset; None where it is not known."""
    subsets = dict.fromkeys(name for one in readings.values() for name in one.subsets)
    rows = [
        (
            name,
            *(
                measured.rate(key) if (measured := one.subsets.get(name)) else None
                for one in readings.values()
            ),
        )
        for name in subsets
    ]
    if all(cell is None for _, *cells in rows for cell in cells):
        return None
    title = f"{RATES[key].capitalize()} by subset"
    note = "With 95% Wilson intervals."
    return Table(title=title, note=note, header=("", *readings), rows=tuple(rows))


def status_table(entries: Sequence[Entry]) -> Table:
    """How judgments ended."""
    counts = [entry.evaluated.strict.metrics.statuses for entry in entries]
    rows = [(status, *(count[status] for count in counts)) for status in counts[0]]
    header = ("status", *(entry.name for entry in entries))
    return Table(title="How judgments ended", header=header, rows=tuple(rows))


def difference_histogram(entries: Sequence[Entry]) -> Histogram:
    """By how much the preferred response was scored above the other."""
    return Histogram(
        title="Score of the preferred response less the other's",
        note="Right of 0 the judge was right; at 0 it was tied. Failed judgments are left out.",
        x="difference of scores",
        y="judgments",
        series={entry.name: entry.leads for entry in entries},
    )
