"""One judgment is one line of JSON: what judges write, and what scores, compares and learns reads.

    {"id": "17", "subset": "math-prm", "order": [1, 0], "preferred": 0, "scores": [0, 1],
     "status": "ok", "transcript": [...], "usage": {...}}

`order` has the responses in the order shown, by their index in the task, from 0: two of them, or
one for a pointwise judge. `scores` follow `order`, and are null for a judgment that failed.
`preferred` is the gold index in the task; or a list, of several that are right. A `Record` is such
a line without its texts: all that scoring needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic import model_validator as validates
from pydantic.dataclasses import dataclass

from j1sdk.errors import DataError, explain
from j1sdk.files import encoded, read_lines, replaced
from j1sdk.types import (
    JudgeResult,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Presentation,
    Usage,
)
from j1sdk.workfolder import Lines

JUDGMENTS_FILE = "judgments.jsonl"
Key = tuple[str, tuple[int, ...]]
"""What names a presentation, and its judgment, in a file: task and order."""
MOST_RESPONSES = 1000
Place = Annotated[int, Field(ge=0, lt=MOST_RESPONSES, strict=True)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="ignore"))
class Record:
    """One judgment of one presentation, without texts. Fields it does not know are left alone."""

    id: str
    subset: str | None = None
    order: tuple[Place, ...] = Field(min_length=1, max_length=2)
    preferred: Place | tuple[Place, ...] | None = None
    scores: tuple[Finite, ...] | None
    status: JudgmentStatus
    completion_tokens: int = Field(default=0, ge=0)
    thought_length: int | None = Field(default=None, ge=0)
    """Characters of thought before the answer, where the format has a place for one."""
    first: float | None = Field(default=None, ge=0.0, le=1.0)
    """How likely the judge has it that the first response shown is the better one, where known."""

    @field_validator("id", mode="before")
    @classmethod
    def _as_text(cls, id: Any) -> Any:
        """A number names what the same number as a text names, and 1.0 what 1 does."""
        if id == "":
            raise ValueError("it is empty: two judgments of one task have one id")
        if isinstance(id, float) and id.is_integer():
            id = int(id)
        return str(id) if isinstance(id, int | float) and not isinstance(id, bool) else id

    @validates(mode="after")
    def _check(self) -> Record:
        if len(set(self.order)) < len(self.order):
            raise ValueError(f"order {list(self.order)} shows a response twice")
        if (self.scores is None) == (self.status is JudgmentStatus.OK):
            raise ValueError("scores are null where the status is not ok, and only there")
        if self.scores is not None and len(self.scores) != len(self.order):
            raise ValueError(f"{len(self.scores)} scores for {len(self.order)} responses")
        return self

    @property
    def golds(self) -> tuple[int, ...]:
        """All preferred responses."""
        if self.preferred is None:
            return ()
        return (self.preferred,) if isinstance(self.preferred, int) else self.preferred


FIELDS = tuple(field.name for field in fields(Record))
_records = TypeAdapter(Record)


def key(shown: Presentation) -> Key:
    """What names a presentation, and its judgment, in a file."""
    return shown.task.id, shown.order


def record_of(
    judgment: Judgment, task: JudgmentTask, thinking: Sequence[tuple[str, str]] = ()
) -> Record:
    """What scoring needs of a judgment. With a format's `sections`, its thought is measured."""
    golds = task.golds
    return Record(
        id=task.id,
        subset=task.subset,
        order=judgment.order,
        preferred=golds[0] if len(golds) == 1 else golds or None,
        scores=judgment.scores,
        status=judgment.status,
        completion_tokens=judgment.usage.completion_tokens,
        thought_length=thought_length(judgment.text, thinking) if thinking else None,
        first=first_chance(judgment),
    )


def first_chance(judgment: Judgment) -> float | None:
    """The probability that the first of two responses is the better one; None where not known.

    Of scores, that the first one's is higher, and half of that they are equal, as if each were
    given by itself.
    """
    if not judgment.ok or len(judgment.order) != 2 or not judgment.probabilities:
        return None
    *_, last = judgment.probabilities
    if last.keys() == {"A", "B"}:
        ahead, behind = last["A"], last["B"]
    else:
        first, second = judgment.probabilities
        pairs = [(float(a) - float(b), first[a] * second[b]) for a in first for b in second]
        ahead = sum(chance * (0.5 + 0.5 * ((by > 0) - (by < 0))) for by, chance in pairs)
        behind = sum(chance for _, chance in pairs) - ahead
    return ahead / (ahead + behind) if ahead + behind > 0 else None


def records_of(
    results: Iterable[JudgeResult], thinking: Sequence[tuple[str, str]] = ()
) -> Iterator[Record]:
    """The records of judged tasks, as `record_of` makes them."""
    for result in results:
        for judgment in result.judgments:
            yield record_of(judgment, result.task, thinking)


def thought_length(text: str, sections: Sequence[tuple[str, str]]) -> int:
    """Characters before the answer, which is a well-formed text's last section."""
    opening, _ = sections[-1]
    thought, found, _ = text.rpartition(opening)
    return len(thought if found else text)


def line_of(
    judgment: Judgment, task: JudgmentTask, thinking: Sequence[tuple[str, str]] = ()
) -> str:
    """The line of a judgment with its texts, and with what is known of its task."""
    texts = judgment.model_dump(exclude_defaults=True, exclude={"task_id"})
    return _dump(_known(record_of(judgment, task, thinking)) | texts)


def _known(record: Record) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in FIELDS}
    return {name: value for name, value in values.items() if value is not None or name == "scores"}


def _dump(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Replace the file by these records, a line each. Raises StorageError."""
    with replaced(path) as file:
        file.writelines(encoded(_dump(_known(record))) for record in records)


def read_records(path: Path) -> Iterator[Record]:
    """The records of a `.jsonl` file, of `.jsonl.gz`, or of what `j1 judge` wrote.

    Raises DataError naming file, line and field, at the latest when the file is at its end.
    """
    empty = True
    for where, line in read_lines(path):
        if line.strip():
            empty = False
            yield read_record(line, where)
    if empty:
        raise DataError(f"{path} holds no judgments")


def read_record(line: bytes, where: str) -> Record:
    """The record of a line; raises DataError saying where."""
    return _record(_values(line, where), where)


def _values(line: bytes, where: str) -> dict[str, Any]:
    """The fields of a line, those of older versions by the names of today."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise DataError(f"{where}: expected an object, got {type(values).__name__}")
    if "task_id" in values:
        values.setdefault("id", values.pop("task_id"))
    return values


def _record(values: dict[str, Any], where: str) -> Record:
    if misspelt := _misspelt(tuple(values)):
        raise DataError(f"{where}: unknown key {misspelt[0]!r}; did you mean {misspelt[1]!r}?")
    usage = values.get("usage")
    if isinstance(usage, dict):
        values.setdefault("completion_tokens", usage.get("completion_tokens", 0))
    try:
        return _records.validate_python(values)
    except ValidationError as error:
        raise DataError(f"{where}: {explain(error)[0]}") from None


@lru_cache(maxsize=256)
def _misspelt(keys: tuple[str, ...]) -> tuple[str, str] | None:
    """A key that is nearly one that is not there, and that one."""
    strange = [key for key in keys if key not in FIELDS]
    for name in FIELDS:
        if name not in keys and (close := get_close_matches(name, strange, n=1, cutoff=0.8)):
            return close[0], name
    return None


def parse_judgment(line: bytes, where: str) -> Judgment:
    """One judgment with its texts; raises DataError saying where."""
    try:
        values = _values(line, where)
        known = {name: values[name] for name in Judgment.model_fields if name in values}
        tokens = values.get("completion_tokens", 0)
        usage = known.pop("usage", None) or Usage(completion_tokens=tokens)
        return Judgment(task_id=values["id"], usage=usage, **known)
    except (ValueError, KeyError) as error:
        raise DataError(f"{where} is no judgment of ours: move the file away") from error


def key_of(line: bytes, where: str) -> Key:
    """What the judgment of a line is of; raises DataError."""
    judgment = parse_judgment(line, where)
    return judgment.task_id, judgment.order


class Transcribed(Mapping[Key, Judgment]):
    """The judgments of a file by what they are of, each read when it is wanted.

    There are none where there is no file.
    """

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path, key_of)

    def __getitem__(self, key: Key) -> Judgment:
        return parse_judgment(self._lines[key], str(self._lines.path))

    def __iter__(self) -> Iterator[Key]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)
