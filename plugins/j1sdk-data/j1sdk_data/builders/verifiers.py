"""Whether a solution is right, by its final answer alone.

A verifier finds the final answer of a solution, and of a reference; the solution is right where
they are equal. What cannot be read has no answer, which is not the same as a wrong one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

from j1sdk_data.gsm8k import final_number

NUMBER = re.compile(r"-?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\.[0-9]+)")
LOOKS = re.compile(
    r"\\(?:left|right|displaystyle|[,;:! ])"  # spacing, and the size of brackets
    r"|\\text(?:bf|rm)?\{\s*\}|\^\{?\\circ\}?|\\?[$%]|\s"
)
FRACTION = re.compile(r"(-?)(?:\\frac\{(\d+)\}\{(\d+)\}|\\frac(\d)(\d)|(\d+)/(\d+))")


class Verifier(ABC):
    """Finds final answers. Equal answers are equal objects."""

    instruction: ClassVar[str]
    """Asks for a solution whose final answer can be found."""

    @abstractmethod
    def answer(self, solution: str) -> Hashable | None:
        """The final answer of a solution; None where there is none to be read."""

    @abstractmethod
    def reference(self, text: str) -> Hashable | None:
        """The answer of a reference: a solution, or the bare answer."""


class Number(Verifier):
    """The number on the last line, `A: 1,234` or `#### 1,234`; or a text that is only a number.

    A bare last line will not do: it may be where a longer solution was cut off.
    """

    instruction = 'Solve this step by step. Let the last line be "A: " and the number alone.'

    def answer(self, solution: str) -> Decimal | None:
        found = final_number(solution)
        return decimal(solution.strip()) if found is None else found

    def reference(self, text: str) -> Decimal | None:
        return self.answer(text)


class Boxed(Verifier):
    r"""What the last `\boxed{...}` holds, as MATH writes its answers.

    Numbers and fractions are compared by value, `1/2` with `\frac{1}{2}` and `0.5`. Anything else
    is compared as text, without what LaTeX adds for looks; so `x+1` is not `1+x`.
    """

    instruction = r"Solve this step by step. End with the final answer in \boxed{}."

    def answer(self, solution: str) -> Hashable | None:
        found = boxed(solution)
        return None if found is None else value(found)

    def reference(self, text: str) -> Hashable | None:
        found = boxed(text)
        return value(text if found is None else found)


VERIFIERS: dict[str, Verifier] = {"number": Number(), "boxed": Boxed()}


def decimal(text: str) -> Decimal | None:
    """A text that is a number and nothing else."""
    return Decimal(text.replace(",", "")) if NUMBER.fullmatch(text) else None


def boxed(text: str) -> str | None:
    r"""What the last `\boxed{...}` holds; None where there is none, or it does not end."""
    _, found, rest = text.rpartition(r"\boxed{")
    depth = 1
    for place, letter in enumerate(rest if found else ""):
        depth += (letter == "{") - (letter == "}")
        if not depth:
            return rest[:place]
    return None


def value(answer: str) -> Fraction | str | None:
    """An answer as a number where it is one, and as plain text otherwise; None if empty."""
    plain = LOOKS.sub("", answer).replace("dfrac", "frac").replace("tfrac", "frac").rstrip(".")
    if (number := decimal(plain)) is not None:
        return Fraction(number)
    if match := FRACTION.fullmatch(plain):
        sign, *parts = (part for part in match.groups() if part is not None)
        over, under = map(int, parts)
        return Fraction(-over if sign else over, under) if under else plain
    return plain or None
