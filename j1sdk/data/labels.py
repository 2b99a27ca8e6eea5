"""Which response a label prefers, in each of the codes that preference data use.

A reader takes the label and gives `Gold`; raises DataError for what is no label in its code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from j1sdk.errors import DataError

WINNERS: dict[str, int | None] = {
    "a": 0,
    "model_a": 0,
    "response_a": 0,
    "a>b": 0,
    "a>>b": 0,
    "b": 1,
    "model_b": 1,
    "response_b": 1,
    "b>a": 1,
    "b>>a": 1,
    "tie": None,
    "tie (bothbad)": None,
    "both_bad": None,
    "bothbad": None,
    "a=b": None,
}
"""What names a winner (LMSYS, PPE, JudgeBench); None is a tie."""


class Gold(NamedTuple):
    """What a label says: as `JudgmentTask` has it, a tie is equal ratings."""

    preferred: int | None = None
    ratings: tuple[float, ...] | None = None


TIE = Gold(None, (1.0, 1.0))


def whole(value: Any) -> int:
    """A whole number, also written as text or with a fraction of zero; a bool is none."""
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"expected a whole number, got {value!r:.40}")
    return value


def place(value: Any) -> Gold:
    """0 or 1: the place of the better one."""
    return _coded(value, {0: 0, 1: 1})


def number(value: Any) -> Gold:
    """1 or 2: the number of the better one."""
    return _coded(value, {1: 0, 2: 1})


def first_wins(value: Any) -> Gold:
    """1 where the first is the better one, else 0 (SHP)."""
    return _coded(value, {1: 0, 0: 1})


def _coded(value: Any, code: dict[int, int]) -> Gold:
    if (key := whole(value)) not in code:
        raise DataError(f"expected {' or '.join(map(str, sorted(code)))}, got {key}")
    return Gold(code[key])


def winner(value: Any) -> Gold:
    """A name of the better one, or of a tie."""
    key = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(key, str) or key not in WINNERS:
        raise DataError(f"expected model_a, model_b or tie, got {value!r:.40}")
    better = WINNERS[key]
    return TIE if better is None else Gold(better)


def signed(value: Any) -> Gold:
    """By how much the second is better: negative where the first is (HelpSteer)."""
    strength = whole(value)
    if strength == 0:
        return TIE
    return Gold(int(strength > 0), (float(max(-strength, 0)), float(max(strength, 0))))


def flags(first: Any, second: Any, tie: Any) -> Gold:
    """Which of three is 1 (LMSYS as Kaggle has it)."""
    raised = [flag in (1, "1", "1.0") for flag in (first, second, tie)]
    lowered = [flag in (0, "0", "0.0", "", None) for flag in (first, second, tie)]
    if sum(raised) != 1 or sum(lowered) != 2:
        raise DataError(f"expected one 1 and else 0, got {first!r}, {second!r}, {tie!r}")
    return TIE if raised[2] else Gold(raised.index(True))


def among(value: Any, count: int) -> Gold:
    """An index from 0, or `tie`; nothing where it is not known."""
    if value is None or value == "":
        return Gold()
    if value == "tie":
        return Gold(None, (1.0,) * count)
    if not 0 <= (index := whole(value)) < count:
        raise DataError(f"preferred is {index}, but there are {count} responses")
    return Gold(index)
