"""Tasks to read: those on which runs differ; of a single run, those it did not get right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.comparison import got_right
from j1sdk.evaluation.credits import Outcome, outcomes
from j1sdk.evaluation.entries import Entry, Place
from j1sdk.judge import result_of
from j1sdk.report import Block, Table, TranscriptPair, Transcripts
from j1sdk.types import JudgeResult, Judgment

MOST_ROWS, MOST_TRANSCRIPTS = 25, 10


def disagreements(entries: Sequence[Entry]) -> Iterator[Block]:
    """The tasks as a table, and some of them in the judges' words where these are known."""
    places = disputed(entries)
    what = "Tasks on which the runs differ" if entries[1:] else "Tasks that went wrong"
    if not places:
        return
    benchmark = entries[0].evaluated.benchmark
    shown = places[:: -(-len(places) // MOST_ROWS)]
    rows = [
        (place[1], place[0], *(ended(benchmark, entry.results[place]) for entry in entries))
        for place in shown
    ]
    some = f"{len(shown)} of {len(places):,}, spread evenly" if len(shown) < len(places) else "All"
    note = f"{some}; with how each order ended, first as the benchmark has it, then swapped."
    header = ("task", "subset", *(entry.name for entry in entries))
    yield Table(title=what, note=note, header=header, rows=tuple(rows))
    read = shown[:: -(-len(shown) // MOST_TRANSCRIPTS)]
    if pairs := tuple(pair for place in read for pair in transcripts(entries, place)):
        yield Transcripts(title=f"{what}, word for word", pairs=pairs)


def disputed(entries: Sequence[Entry]) -> list[Place]:
    """The tasks of all runs that some got right and some did not; or that the only one did not."""
    right = [
        {place: _is_right(entry, result) for place, result in entry.results.items()}
        for entry in entries
    ]
    shared = [place for place in right[0] if all(place in known for known in right)]
    verdicts = {place: {known[place] for known in right} for place in shared}
    wanted = {True, False} if entries[1:] else {False}
    return [place for place in shared if verdicts[place] == wanted]


def _is_right(entry: Entry, result: JudgeResult) -> bool:
    return got_right(entry.evaluated.benchmark.credits(result))


def ended(benchmark: Benchmark, result: JudgeResult) -> str:
    """How each order of a pair ended; of several pairs, how many were right."""
    games = [list(outcomes(view).values()) for view in benchmark.pairs(result)]
    if len(games) == 1:
        return ", ".join(games[0])
    several = [game for pair in games for game in pair]
    return f"{several.count(Outcome.RIGHT)} of {len(several)} right"


def transcripts(entries: Sequence[Entry], place: Place) -> Iterator[TranscriptPair]:
    """A task in the words of a run that got it right and one that did not, or of the only run."""
    heading = " ".join(filter(None, place))
    if not entries[1:]:
        (entry,) = entries
        if told := spoken(entry, place):
            result = result_of(entry.results[place].task, list(told.values()))
            yield TranscriptPair.from_result(result, heading)
        return
    right = next(entry for entry in entries if _is_right(entry, entry.results[place]))
    wrong = next(entry for entry in entries if not _is_right(entry, entry.results[place]))
    theirs, others = spoken(right, place), spoken(wrong, place)
    orders = [order for order in theirs if order in others]
    if orders:
        order = next((one for one in orders if _differ(theirs[one], others[one])), orders[0])
        yield TranscriptPair(
            heading=heading,
            left=theirs[order],
            right=others[order],
            left_label=right.name,
            right_label=wrong.name,
            preferred=right.results[place].task.preferred,
            outcome=f"right by {right.name}, not by {wrong.name}",
        )


def _differ(one: Judgment, other: Judgment) -> bool:
    if len(one.order) == 1:
        return one.scores != other.scores
    return (one.status, one.verdict()) != (other.status, other.verdict())


def spoken(entry: Entry, place: Place) -> dict[tuple[int, ...], Judgment]:
    """The judgments of a task with their texts, by order; those that are known."""
    keys = [(place[1], judgment.order) for judgment in entry.results[place].judgments]
    return {key[1]: entry.transcripts[key] for key in keys if key in entry.transcripts}
