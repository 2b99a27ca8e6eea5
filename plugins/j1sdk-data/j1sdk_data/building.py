"""Building a file of preference pairs into a folder, so that nothing is lost or done twice.

A build file is TOML, with one table:

    [builder]
    name = "verified-solutions"
    path = "train.jsonl"
    fields = { prompt = "question", reference = "answer" }
    engine = { name = "openai", model = "teacher", base_url = "http://localhost:8000/v1" }

What became of each item is a line of outcomes.jsonl, written at once. When all are there,
pairs.jsonl is made of them, in the order of the items: the same file however often the work was
interrupted. It has each pair once, the chosen response by that name. In which order, or that in
both, a judge is shown the two is a matter of presentation, and not of the data.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from j1sdk.background import run
from j1sdk.component import Value
from j1sdk.errors import ConfigError, DataError, EngineError
from j1sdk.files import encoded, read_lines, replaced, write_text
from j1sdk.runfile import dump, read_value, versions
from j1sdk.types import JudgmentTask, Usage
from j1sdk.workfolder import Log, claimed, spread
from j1sdk_data.builders import ENGINE_ERROR, Builder, Built, Item

OUTCOMES_FILE, PAIRS_FILE, COUNTS_FILE = "outcomes.jsonl", "pairs.jsonl", "counts.json"
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
    builder: Builder,
    out: Path,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Counts:
    """Make pairs of the builder's first `limit` items, or all; returns what is in counts.json.

    Goes on from what is in `out`; an item that the engine failed on is tried again. Raises
    ConfigError if `out` is of another builder, other items or another process, DataError if a line
    of it is not what this wrote, or if there are no pairs at all.
    """
    items = list(islice(builder.items(), limit))
    digests = {item.id: item.digest for item in items}
    with (
        claimed(out, dump(Build(builder=builder)), "pairs of another builder"),
        Log(out / OUTCOMES_FILE, partial(built_before, digests)) as log,
    ):
        done = sum(item.id in log for item in items)
        progress(done, len(items))

        async def work(item: Item) -> None:
            nonlocal done
            outcome = await _build(builder, item)
            log.append(item.id, json.dumps(outcome.model_dump(), ensure_ascii=False))
            done += 1
            progress(done, len(items))

        run(spread([item for item in items if item.id not in log], work))
        log.settle((item.id, log[item.id].decode().removesuffix("\n")) for item in items)
    return finish(builder, out, len(items))


def built_before(digests: Mapping[str, str], line: bytes, where: str) -> str | None:
    """The item that an outcome is of; None where the engine failed on it.

    Raises ConfigError for an item of another content, DataError for a line that is no outcome.
    """
    outcome = parse_outcome(line, where)
    if digests.get(outcome.id, outcome.digest) != outcome.digest:
        raise ConfigError(
            f"{where} is of other data: item {outcome.id!r} has another content there. Use another"
            " --out"
        )
    return None if outcome.built.failure == ENGINE_ERROR else outcome.id


def parse_outcome(line: bytes, where: str) -> Outcome:
    """An outcome; raises DataError."""
    try:
        return Outcome.model_validate(json.loads(line))
    except ValueError as error:
        raise DataError(f"{where} is no outcome of ours: move the file away") from error


async def _build(builder: Builder, item: Item) -> Outcome:
    try:
        built = await builder.build(item)
    except EngineError as error:
        built = Built(failure=ENGINE_ERROR, detail=str(error))
    if bool(built.pairs) == bool(built.failure):
        raise TypeError(f"builder {builder.name!r} must give either pairs or a failure: {built}")
    cut = built.model_copy(update={"detail": built.detail[:LONGEST_DETAIL]})
    return Outcome(id=item.id, digest=item.digest, built=cut)


def finish(builder: Builder, out: Path, items: int) -> Counts:
    """Write the pairs and the counts of the first so many outcomes; DataError without a pair."""
    tally, detail = Tally(), ""
    with replaced(out / PAIRS_FILE) as file:
        for where, line in islice(read_lines(out / OUTCOMES_FILE), items):
            built = parse_outcome(line, where).built
            tally.add(built)
            detail = detail or built.detail
            file.writelines(
                encoded(json.dumps(record(one), ensure_ascii=False)) for one in built.pairs
            )
    counts = tally.counts(builder)
    write_text(out / COUNTS_FILE, counts.model_dump_json(indent=2))
    if not counts.pairs:
        why = ", ".join(f"{reason} {times}" for reason, times in counts.failures.items() if times)
        first = f". The first: {detail}" if detail else ""
        raise DataError(f"no pair could be made of {counts.items} items: {why}{first}")
    return counts


class Tally:
    """Counts of outcomes that come one by one."""

    def __init__(self) -> None:
        self._items = self._built = self._pairs = 0
        self._failures: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._usage = Usage()

    def add(self, built: Built) -> None:
        """Count what became of an item."""
        self._items += 1
        self._built += bool(built.pairs)
        self._pairs += len(built.pairs)
        self._failures.update([built.failure] if built.failure else [])
        self._counts.update(built.counts)
        self._usage += built.usage

    def counts(self, builder: Builder) -> Counts:
        """What was counted; every reason a builder can give is there, if only as 0."""
        reasons = dict.fromkeys((*builder.failures, ENGINE_ERROR, *self._failures))
        return Counts(
            items=self._items,
            built=self._built,
            pairs=self._pairs,
            failures={reason: self._failures[reason] for reason in reasons},
            counts=dict(self._counts),
            usage=self._usage,
            made_with=versions(),
        )


def record(pair: JudgmentTask) -> dict[str, Any]:
    """A pair as a line of JSON that the source `jsonl` reads back as the same task."""
    alone = len(pair.prompt) == 1 and pair.prompt[0].role == "user"
    prompt = pair.prompt[0].content if alone else [dict(message) for message in pair.prompt]
    chosen, rejected = pair.responses
    known = {"id": pair.id, "subset": pair.subset, "reference": pair.reference}
    return {
        "prompt": prompt,
        "chosen": chosen,
        "rejected": rejected,
        **{name: value for name, value in known.items() if value is not None},
    }
