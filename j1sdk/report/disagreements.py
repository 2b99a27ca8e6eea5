"""Tasks to read: those on which runs differ; of a single run, those it did not get right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.credits import Outcome, outcomes
from j1sdk.evaluation.entries import Entry, Place, place_of
from j1sdk.judge import result_of
from j1sdk.report import Block, Table, TranscriptPair, Transcripts
from j1sdk.types import JudgeResult, Judgment, JudgmentTask

MOST_ROWS, MOST_TRANSCRIPTS = 25, 10


def disagreements(entries: Sequence[Entry]) -> Iterator[Block]:
    """The tasks as a table, and some of them in the judges' words where these are known."""
    places = disputed(entries)
    what = "Tasks on which the runs differ" if entries[1:] else "Tasks that went wrong"
    if not places:
        return
    benchmark = entries[0].evaluated.benchmark
    shown = places[:: -(-len(places) // MOST_ROWS)]
    results = [entry.results(set(shown)) for entry in entries]
    rows = [
        (place[1], place[0], *(ended(benchmark, judged[place]) for judged in results))
        for place in shown
    ]
    some = f"{len(shown)} of {len(places):,}, spread evenly" if len(shown) < len(places) else "All"
    note = f"{some}; with how each order ended, first as the benchmark has it, then swapped."
    header = ("task", "subset", *(entry.name for entry in entries))
    yield Table(title=what, note=note, header=header, rows=tuple(rows))
    runs = list(zip(entries, results, strict=True))
    told = [
        [told_of(entry, judged[place]) for entry, judged in runs]
        for place in shown[:: -(-len(shown) // MOST_TRANSCRIPTS)]
    ]
    if pairs := tuple(pair for runs_of_task in told for pair in transcripts(runs_of_task)):
        yield Transcripts(title=f"{what}, word for word", pairs=pairs)


def disputed(entries: Sequence[Entry]) -> list[Place]:
    """The tasks of all runs that some got right and some did not; or that the only one did not."""
    shared = [place for place in entries[0].right if all(place in one.right for one in entries)]
    verdicts = {place: {entry.right[place] for entry in entries} for place in shared}
    wanted = {True, False} if entries[1:] else {False}
    return [place for place in shared if verdicts[place] == wanted]


def ended(benchmark: Benchmark, result: JudgeResult) -> str:
    """How each order of a pair ended; of several pairs, how many were right."""
    games = [list(outcomes(view).values()) for view in benchmark.pairs(result)]
    if len(games) == 1:
        return ", ".join(games[0])
    several = [game for pair in games for game in pair]
    return f"{several.count(Outcome.RIGHT)} of {len(several)} right"


class Told(NamedTuple):
    """What one run made of a task."""

    run: str
    right: bool
    task: JudgmentTask
    words: dict[tuple[int, ...], Judgment]
    """By order, the judgments whose texts are known."""


def told_of(entry: Entry, result: JudgeResult) -> Told:
    place = place_of(result)
    keys = [(place[1], judgment.order) for judgment in result.judgments]
    words = {key[1]: entry.transcripts[key] for key in keys if key in entry.transcripts}
    return Told(entry.name, entry.right[place], result.task, words)


def transcripts(runs: Sequence[Told]) -> Iterator[TranscriptPair]:
    """A task in the words of a run that got it right and one that did not, or of the only run."""
    task = runs[0].task
    heading = " ".join(filter(None, (task.subset, task.id)))
    if not runs[1:]:
        if words := runs[0].words:
            yield TranscriptPair.from_result(result_of(task, list(words.values())), heading)
        return
    right = next(one for one in runs if one.right)
    wrong = next(one for one in runs if not one.right)
    orders = [order for order in right.words if order in wrong.words]
    if orders:
        different = (one for one in orders if _differ(right.words[one], wrong.words[one]))
        order = next(different, orders[0])
        yield TranscriptPair(
            heading=heading,
            left=right.words[order],
            right=wrong.words[order],
            left_label=right.run,
            right_label=wrong.run,
            preferred=right.task.preferred,
            outcome=f"right by {right.run}, not by {wrong.run}",
        )


def _differ(one: Judgment, other: Judgment) -> bool:
    if len(one.order) == 1:
        return one.scores != other.scores
    return (one.status, one.verdict()) != (other.status, other.verdict())
