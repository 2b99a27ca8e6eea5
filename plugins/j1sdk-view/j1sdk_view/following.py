"""Files that grow: what they hold so far, read once however often it is asked for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from j1sdk.judgments import Record, parse_judgment, read_record
from j1sdk.types import Judgment

KEPT = 200
"""Judgments of each outcome that are kept to be shown: the latest."""
WRONG, RIGHT, TIE = "wrong", "right", "tie"


class Shown(NamedTuple):
    """A judgment and what is known of its task."""

    record: Record
    judgment: Judgment


class Following:
    """A file of judgments, as far as it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._read_to = 0
        self.counts: Counter[str] = Counter()
        self._latest: dict[str, deque[Shown]] = {}

    def look(self) -> None:
        """Read what was written since; raises DataError for a line that is no judgment."""
        with self._lock:
            if self.path.stat().st_size < self._read_to:  # it was put in order, or replaced
                self._begin_anew()
            for number, line in enumerate(self._new_lines(), 1):
                self._take(line, f"{self.path}: new line {number}")

    def latest(self, outcome: str = "") -> list[Shown]:
        """The latest with this outcome, or of all, the last one first."""
        with self._lock:
            chosen = [self._latest.get(outcome, ())] if outcome else self._latest.values()
            return [one for kept in chosen for one in reversed(kept)]

    def _new_lines(self) -> Iterator[bytes]:
        """Whole lines; one that is half written is left for the next look."""
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                if line.strip():
                    yield line

    def _take(self, line: bytes, where: str) -> None:
        shown = Shown(read_record(line, where), parse_judgment(line, where))
        outcome = outcome_of(shown)
        self.counts[outcome] += 1
        self._latest.setdefault(outcome, deque(maxlen=KEPT)).append(shown)


def outcome_of(shown: Shown) -> str:
    """A failure by its status; otherwise whether a verdict is right, where that is known."""
    record, judgment = shown
    if not judgment.ok or len(judgment.order) == 1:
        return judgment.status.value
    if (verdict := judgment.verdict()) is None:
        return TIE
    if not record.golds:
        return judgment.status.value
    return RIGHT if verdict in record.golds else WRONG
