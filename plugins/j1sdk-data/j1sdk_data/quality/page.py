"""The findings of a data check as the blocks of a report, which the command line shows too."""

from __future__ import annotations

from collections.abc import Iterator

from j1sdk.report import Bars, Block, Rate, Report, Table
from j1sdk.report.blocks import written
from j1sdk_data.quality import DataQuality
from j1sdk_data.quality.balance import Balance
from j1sdk_data.quality.cues import Cues
from j1sdk_data.quality.duplicates import Duplicates

MOST_SUBSETS = 6
"""The names of more would not fit under their bars; the table has them all."""


def quality_report(found: DataQuality) -> Report:
    """What `j1 data check` writes."""
    return Report(
        title="Data quality",
        summary=f"{', '.join(found.files)}: {found.balance.rows:,} rows, of which"
        f" {found.balance.pairs:,} are labelled pairs and {found.balance.ties:,} ties.\n\n"
        f"{verdict(found.cues)}",
        blocks=(*tables(found), *charts(found)),
    )


def verdict(cues: Cues) -> str:
    """In a sentence or two, whether labels can be told without reading."""
    if cues.accuracy is None or cues.control is None:
        return "There are too few labelled pairs to say whether labels can be told without reading."
    told = (
        f"From surface cues alone, {cues.accuracy.value:.1%} of the labels are told, where labels"
        f" drawn by lot give {cues.control.value:.1%}."
    )
    if not cues.tells:
        return f"{told} That is no more than chance may do."
    best = cues.cues[0]
    return f"{told} The most telling cue is {best.name}: alone it gives {best.alone:.1%}."


def tables(found: DataQuality) -> Iterator[Table]:
    """Everything that was found, in numbers."""
    yield duplicates_table(found.duplicates)
    if found.overlap:
        yield overlap_table(found)
    yield balance_table(found.balance)
    if found.balance.pairs:
        yield cues_table(found.cues)
    if found.cues.tokens:
        yield tokens_table(found.cues)


def duplicates_table(found: Duplicates) -> Table:
    """Copies of every kind."""
    kinds = {
        "same prompt": found.prompts,
        f"prompts alike to {found.threshold:g}": found.near_prompts,
        "same pair": found.pairs,
        "same pair, opposite label": found.contradictions,
        "chosen is rejected": found.identical_responses,
    }
    rows = [
        (name, copies.groups, copies.rows, "; ".join(map(", ".join, copies.examples[:2])))
        for name, copies in kinds.items()
    ]
    return Table(
        title="Copies",
        header=("", "groups", "rows to drop", "for example"),
        rows=tuple(rows),
        note="Prompts that come again are no fault where their responses differ.",
    )


def overlap_table(found: DataQuality) -> Table:
    """What is shared with each benchmark."""
    rows = []
    for name, one in found.overlap.items():
        shared = f"{one.examples[0].row}: {one.examples[0].words}" if one.examples else ""
        rows.append((name, one.records, one.found, one.rows, shared))
    header = ("benchmark", "records", "of these in the data", "rows that have them", "for example")
    return Table(
        title=f"Runs of {found.overlap_words} words shared with benchmarks",
        header=header,
        rows=tuple(rows),
    )


def balance_table(found: Balance) -> Table:
    """Places and lengths, over all pairs and for each subset."""
    subsets = found.subsets if len(found.subsets) > 1 else {}
    rows = [
        (name, one.pairs, one.longer_share, one.equal, one.chosen, one.rejected)
        for name, one in {"all": found.lengths, **subsets}.items()
    ]
    header = ("subset", "pairs", "chosen is longer", "equal", "chosen", "rejected")
    return Table(
        title="Balance",
        header=header,
        rows=tuple(rows),
        note=f"{place(found)} {found.ties:,} rows are ties. Lengths are in characters; the share of"
        " longer ones leaves equals out.",
    )


def place(found: Balance) -> str:
    """In a sentence, where in its file the chosen response stands."""
    if found.named:
        return (
            "The chosen response is named, or always the first: show pairs in both orders, as"
            " judges here do unless told otherwise."
        )
    share = written(found.first_share)
    return f"The chosen response is the first of the two in {share} of the pairs."


def cues_table(cues: Cues) -> Table:
    """The regression, its control, and every cue that differs at all."""
    rows: list[tuple[str, int, Rate | None, Rate | float | None]] = [
        ("all together", cues.pairs, None, cues.accuracy),
        ("control: labels by lot", cues.pairs, None, cues.control),
    ]
    rows += [(one.name, one.differs, one.more, one.alone) for one in cues.cues if one.differs]
    return Table(
        title="Telling the label without reading",
        header=("cue", "pairs it differs in", "chosen has more", "labels told"),
        rows=tuple(rows),
        note="All together: a logistic regression on pairs that it was not fitted to. A cue alone:"
        " the share that is told by naming the side that has more of it, or less.",
    )


def tokens_table(cues: Cues) -> Table:
    """Tokens of chat templates, by the side they are on."""
    rows = [(token, chosen, rejected) for token, (chosen, rejected) in cues.tokens.items()]
    return Table(
        title="Stray tokens of chat templates",
        header=("token", "chosen responses", "rejected responses"),
        rows=tuple(rows),
    )


def charts(found: DataQuality) -> Iterator[Block]:
    """The regression beside its control, and which side is longer."""
    cues, balance = found.cues, found.balance
    if cues.accuracy and cues.control:
        groups = {"surface cues": {"": cues.accuracy}, "control: labels by lot": {"": cues.control}}
        yield Bars(
            title="Labels told without reading", y=f"share (n = {cues.pairs} pairs)", groups=groups
        )
    if 1 < len(balance.subsets) <= MOST_SUBSETS:
        parts = {"all": balance.lengths, **balance.subsets}
        longer = {name: {"": one.longer_share} for name, one in parts.items()}
        yield Bars(title="Which side is longer", y="chosen is longer (share)", groups=longer)
