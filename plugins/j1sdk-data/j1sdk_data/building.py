"""Building a file of preference pairs into a folder, so that nothing is lost or done twice.

A build file is TOML, with one table:

    [builder]
    name = "verified-solutions"
    path = "train.jsonl"
    fields = { prompt = "question", reference = "answer" }
    engine = { name = "openai", model = "teacher", base_url = "http://localhost:8000/v1" }

What became of each item is a line of outcomes.jsonl, written with its batch. When all are there,
pairs.jsonl is made of them, in the order of the items: the same file however often the work was
interrupted. It has each pair once, the chosen response by that name. In which order, or that in
both, a judge is shown the two is a matter of presentation, and not of the data.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from j1sdk.background import run
from j1sdk.component import Value
from j1sdk.errors import ConfigError, DataError, EngineError
from j1sdk.files import append_lines, read_lines, write_text
from j1sdk.runfile import dump, read_value, versions
from j1sdk.types import JudgmentTask, Usage
from j1sdk_data.builders import ENGINE_ERROR, Builder, Built, Item

OUTCOMES_FILE, PAIRS_FILE = "outcomes.jsonl", "pairs.jsonl"
COUNTS_FILE, RECORD_FILE = "counts.json", "run.toml"
BATCH = 64
"""Items built before their outcomes are written."""
LONGEST_DETAIL = 1000


class Build(Value):
    """Everything a build file can say."""

    builder: Builder


class Outcome(Value):
    """What became of the item of this id and content."""

    id: str
    digest: str
    built: Built


class Counts(Value):
    """What building came to. Items built and failures add up to the items."""

    items: int
    built: int
    """Items of which there is a pair."""
    pairs: int
    failures: dict[str, int]
    """Items of which there is none, by the reason."""
    counts: dict[str, int]
    """What else the builder counts, added up."""
    usage: Usage
    """What the teacher cost."""
    made_with: dict[str, str]
    """Versions of the packages that took part."""


def read_build(path: Path) -> Builder:
    """The builder a file describes; raises ConfigError. Paths in it are relative to the file."""
    return read_value(Build, path).builder


def build_to_folder(
    builder: Builder, out: Path, limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Counts:  # fmt: skip
    """Make pairs of the builder's first `limit` items, or all; returns what is in counts.json.

    Goes on from what is in `out`; an item that the engine failed on is tried again. Raises
    ConfigError if `out` is of another builder or other items, DataError if a line of it is not what
    this wrote, or if there are no pairs at all.
    """
    items = list(islice(builder.items(), limit))
    claim(out, builder)
    known = dict(read_outcomes(out / OUTCOMES_FILE, items))
    waiting = [item for item in items if item.id not in known]
    for start in range(0, len(waiting), BATCH):
        progress(len(items) - len(waiting) + start, len(items))
        made = run(_build_all(builder, waiting[start : start + BATCH]))
        append_lines(out / OUTCOMES_FILE, (one.model_dump_json() for one in made), sync=True)
        known |= {one.id: one.built for one in made}
    progress(len(items), len(items))
    return finish(builder, [known[item.id] for item in items], out)


def claim(out: Path, builder: Builder) -> None:
    """Make the folder and record the builder; raises ConfigError if it records another."""
    record, described = out / RECORD_FILE, dump(Build(builder=builder))
    if record.exists() and record.read_text(encoding="utf-8") != described:
        raise ConfigError(f"{out} holds pairs of another builder ({record}): another --out")
    write_text(record, described)


def read_outcomes(path: Path, items: Sequence[Item]) -> Iterator[tuple[str, Built]]:
    """What became of items before, but for those the engine failed on.

    Raises ConfigError for an item of another content, DataError for a line that is no outcome.
    """
    digests = {item.id: item.digest for item in items}
    for where, line in read_lines(path):
        try:
            outcome = Outcome.model_validate_json(line)
        except ValueError as error:
            raise DataError(f"{where} is no outcome of ours: move the file away") from error
        if digests.get(outcome.id, outcome.digest) != outcome.digest:
            raise ConfigError(
                f"{path.parent} holds pairs of other data: item {outcome.id!r} has another content"
                " there. Use another --out"
            )
        if outcome.built.failure != ENGINE_ERROR:
            yield outcome.id, outcome.built


async def _build_all(builder: Builder, items: Sequence[Item]) -> list[Outcome]:
    return list(await asyncio.gather(*(_build(builder, item) for item in items)))


async def _build(builder: Builder, item: Item) -> Outcome:
    try:
        built = await builder.build(item)
    except EngineError as error:
        built = Built(failure=ENGINE_ERROR, detail=str(error))
    if bool(built.pairs) == bool(built.failure):
        raise TypeError(f"builder {builder.name!r} must give either pairs or a failure: {built}")
    cut = built.model_copy(update={"detail": built.detail[:LONGEST_DETAIL]})
    return Outcome(id=item.id, digest=item.digest, built=cut)


def finish(builder: Builder, built: Sequence[Built], out: Path) -> Counts:
    """Write the pairs and the counts; raises DataError where there are no pairs."""
    counts = count(builder, built)
    pairs = [json.dumps(record(pair), ensure_ascii=False) for one in built for pair in one.pairs]
    write_text(out / PAIRS_FILE, "".join(f"{line}\n" for line in pairs))
    write_text(out / COUNTS_FILE, counts.model_dump_json(indent=2))
    if not pairs:
        why = ", ".join(f"{reason} {times}" for reason, times in counts.failures.items() if times)
        first = next((f". The first: {one.detail}" for one in built if one.detail), "")
        raise DataError(f"no pair could be made of {counts.items} items: {why}{first}")
    return counts


def count(builder: Builder, built: Sequence[Built]) -> Counts:
    """What the outcomes add up to; every reason a builder can give is there, if only as 0."""
    failures = Counter(one.failure for one in built if one.failure)
    reasons = dict.fromkeys((*builder.failures, ENGINE_ERROR, *failures))
    counts: Counter[str] = Counter()
    for one in built:
        counts.update(one.counts)
    return Counts(
        items=len(built),
        built=sum(bool(one.pairs) for one in built),
        pairs=sum(len(one.pairs) for one in built),
        failures={reason: failures[reason] for reason in reasons},
        counts=dict(counts),
        usage=sum((one.usage for one in built), Usage()),
        made_with=versions(),
    )


def record(pair: JudgmentTask) -> dict[str, Any]:
    """A pair as a line of JSON that the source `jsonl` reads back as the same task."""
    alone = len(pair.prompt) == 1 and pair.prompt[0].role == "user"
    prompt = pair.prompt[0].content if alone else [dict(message) for message in pair.prompt]
    chosen, rejected = pair.responses
    known = {"id": pair.id, "subset": pair.subset, "reference": pair.reference}
    return {
        "prompt": prompt, "chosen": chosen, "rejected": rejected,
        **{name: value for name, value in known.items() if value is not None},
    }  # fmt: skip
