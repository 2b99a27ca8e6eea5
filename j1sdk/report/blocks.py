"""What a report is made of, besides charts: tables, and judges' transcripts side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import model_validator

from j1sdk.component import Value
from j1sdk.evaluation.metrics import Rate
from j1sdk.types import JudgeResult, Judgment, Message

Cell = str | int | float | Rate | None
Mark = Literal["correct", "wrong", "tie", "failed", "read"]

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # no width, or another direction
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates; tags, which hide whole sentences
)


def visible(text: str) -> str:
    """`text` with the number of every character that would not be seen, in its place."""
    return _UNSEEN.sub(_number, text)


def _number(match: re.Match[str]) -> str:
    return f"\u27e8U+{ord(match[0]):04X}\u27e9"


def written(cell: Cell) -> str:
    """A table's cell as text: a rate with its interval, other numbers in four digits."""
    if isinstance(cell, Rate):
        return f"{cell.value:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
    if isinstance(cell, float):
        return f"{cell:,.1f}" if 1000 <= abs(cell) < float("inf") else f"{cell:.4g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return "\u2013" if cell is None else visible(cell)


class Block(Value):
    """One section of a report."""

    layout: ClassVar[str]
    """The macro in report.html that writes it."""
    title: str
    note: str = ""


class Table(Block):
    """Rows under a header; the first cell of a row names it."""

    layout: ClassVar[str] = "table"
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if wrong := [row for row in self.rows if len(row) != len(self.header)]:
            raise ValueError(f"the header has {len(self.header)} cells, but a row is {wrong[0]}")
        return self

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, and is to be aligned as such."""
        return any(isinstance(row[column], int | float | Rate) for row in self.rows)


KINDS = ("correct", "wrong", "flips", "tie", "failed")
"""Kinds of transcripts that a reader can choose to see alone."""


class Side(NamedTuple):
    """One judgment of a pair, in words."""

    label: str
    shown: str
    verdict: str
    mark: Mark
    judgment: Judgment


class TranscriptPair(Value):
    """Two judgments to be compared: both orders of one task, or one order before and after."""

    heading: str
    left: Judgment
    right: Judgment | None = None
    left_label: str = ""
    right_label: str = ""
    preferred: int | None = None
    """Index of the gold response in the task, where known."""
    outcome: str = ""

    @classmethod
    def from_result(cls, result: JudgeResult, heading: str = "") -> TranscriptPair:
        """The first presentation of a task, and the next that differs from it."""
        gold, first = result.task.preferred, result.judgments[0]
        second = next((other for other in result.judgments if other.order != first.order), None)
        pair = [judgment for judgment in (first, second) if judgment]
        return cls(
            heading=heading or f"Task {result.task.id}",
            left=first,
            right=second,
            left_label="As given" if len(first.order) > 1 else "First response",
            right_label="Swapped" if len(first.order) > 1 else "Second response",
            preferred=gold,
            outcome=_outcome(pair, gold) if len(first.order) > 1 else _compared(result),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a reader may look for in it: how its sides ended, and whether the verdict flips."""
        both = [one for one in (self.left, self.right) if one and len(one.order) > 1]
        verdicts = {one.verdict() for one in both}
        flips = len({one.order for one in both}) > 1 and None not in verdicts and len(verdicts) > 1
        marks = {side.mark for side in self.sides}
        return tuple(kind for kind in KINDS if kind in marks or (kind == "flips" and flips))

    @property
    def sides(self) -> tuple[Side, ...]:
        told = [(self.left, self.left_label), (self.right, self.right_label)]
        return tuple(_side(one, label, self.preferred) for one, label in told if one)


class Transcripts(Block):
    """What a judge was asked and wrote, word for word."""

    layout: ClassVar[str] = "transcripts"
    pairs: tuple[TranscriptPair, ...]

    @property
    def kinds(self) -> list[tuple[str, int]]:
        """The kinds of pairs that there are, and how many of each."""
        counts = Counter(kind for pair in self.pairs for kind in pair.kinds)
        return [(kind, counts[kind]) for kind in KINDS if counts[kind]]


def is_long(message: Message) -> bool:
    """Whether a message is shown folded: a question, and too long to read past."""
    return message.role != "assistant" and len(message.content) > 300


def mark(judgment: Judgment, gold: int | None) -> Mark:
    """What a judgment is worth; `read` where no gold response says more."""
    if not judgment.ok:
        return "failed"
    if len(judgment.order) == 1:
        return "read"
    if judgment.verdict() is None:
        return "tie"
    if gold not in judgment.order:
        return "read"
    return "correct" if judgment.verdict() == gold else "wrong"


def _side(judgment: Judgment, label: str, gold: int | None) -> Side:
    return Side(label, _shown(judgment, gold), _verdict(judgment), mark(judgment, gold), judgment)


def _letter(judgment: Judgment, response: int) -> str:
    return chr(ord("A") + judgment.order.index(response))


def _shown(judgment: Judgment, gold: int | None) -> str:
    names = [f"response {index}{' (preferred)' * (index == gold)}" for index in judgment.order]
    if len(names) == 1:
        return names[0].capitalize()
    return ", ".join(
        f"{_letter(judgment, index)} is {name}"
        for index, name in zip(judgment.order, names, strict=True)
    )


def _verdict(judgment: Judgment) -> str:
    if judgment.scores is None:
        return f"{judgment.status.value}: {judgment.detail}".removesuffix(": ")
    scores = " to ".join(map(written, judgment.scores))
    if len(judgment.scores) == 1:
        return f"Score {scores}"
    verdict = judgment.verdict()
    name = "Tie" if verdict is None else f"Verdict {_letter(judgment, verdict)}"
    return f"{name} ({scores})"


def _outcome(judgments: Sequence[Judgment], gold: int | None) -> str:
    """In words, what both orders of a pair add up to."""
    verdicts = {judgment.verdict() for judgment in judgments}
    marks = [mark(judgment, gold) for judgment in judgments]
    if None not in verdicts and len(verdicts) > 1:
        return "Verdict flips"
    if len(judgments) == 1 or len(set(marks)) > 1:
        return ", then ".join(marks).capitalize()
    return f"{'Same verdict' if 'read' in marks else marks[0].capitalize()} in both orders"


def _compared(result: JudgeResult) -> str:
    """In words, what the scores of a pointwise judge say of the preferred response."""
    gold = result.task.preferred
    if None in result.scores:
        return "Failed"
    if len(result.scores) == 1:
        return ""
    if result.preferred is None:
        return "Tie"
    if gold is None:
        return f"Response {result.preferred} scored higher"
    return "Correct" if result.preferred == gold else "Wrong"
