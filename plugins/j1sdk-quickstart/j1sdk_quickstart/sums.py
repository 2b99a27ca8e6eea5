"""Sums, the mistakes people make in them, and which sums are never shown in training."""

from __future__ import annotations

import random
from typing import NamedTuple

OPERANDS = range(100)
HELD_OUT_SHARE = 5
"""One in so many operand pairs is kept for evaluation."""


class Sum(NamedTuple):
    """Two operands. `question` and `answer` are how the world writes them."""

    first: int
    second: int

    @property
    def question(self) -> str:
        return f"{self.first:02}+{self.second:02}"

    @property
    def answer(self) -> str:
        return show(self.first + self.second)

    @property
    def without_carry(self) -> str:
        """The answer of somebody who forgets to carry."""
        tens = self.first // 10 + self.second // 10
        return show(10 * tens + (self.first + self.second) % 10)

    @property
    def held_out(self) -> bool:
        """Whether this pair of operands is kept out of all training."""
        return (31 * self.first + 17 * self.second) % HELD_OUT_SHARE == 0


def show(number: int) -> str:
    """A sum as written: three digits."""
    return f"{number:03}"


def draw(generator: random.Random, held_out: bool, operands: range = OPERANDS) -> Sum:
    """A random sum, from the pairs kept for evaluation or from the others."""
    while True:
        drawn = Sum(generator.choice(operands), generator.choice(operands))
        if drawn.held_out == held_out:
            return drawn


def mistake(drawn: Sum, generator: random.Random) -> str:
    """A wrong answer that looks right: a forgotten carry, or off by one, two or ten."""
    if drawn.without_carry != drawn.answer and generator.random() < 0.4:
        return drawn.without_carry
    near = [int(drawn.answer) + off for off in (-10, -2, -1, 1, 2, 10)]
    return show(generator.choice([number for number in near if number >= 0]))
