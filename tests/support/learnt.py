"""What one training can show: a difference between two models on the same questions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from j1sdk.evaluation.metrics import measure
from j1sdk.types import JudgeResult

START = int(os.environ.get("J1_TEST_START", "0"))
"""The seed of what tests of learning start from. They are to pass with any: try some."""
ALPHA = 0.001
"""Of a sign test: the chance that a model which learnt nothing passes for one that did."""


class SignTest(NamedTuple):
    """Questions on which one model did better than another, and worse; `p` is one-sided, exact."""

    wins: int
    losses: int
    p: float

    def __str__(self) -> str:
        return f"{self.wins}:{self.losses}, p = {self.p:.1e}"


def sign_test(model: Sequence[float], other: Sequence[float]) -> SignTest:
    """Whether a model does better than another on more of the same questions than it does worse.

    Of right and wrong answers this is McNemar's exact test. Two models are alike or differ on
    thousands of questions by how they came to be: it says nothing of a third one.
    """
    apart = [mine - theirs for mine, theirs in zip(model, other, strict=True)]
    return exact(sum(one > 0 for one in apart), sum(one < 0 for one in apart))


def exact(wins: int, losses: int) -> SignTest:
    """The test of so many."""
    from scipy.stats import binomtest

    p = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1.0
    return SignTest(wins, losses, float(p))


def right_in(results: Sequence[JudgeResult], order: str) -> list[bool]:
    """Of each pair, whether it was judged right in an order: in `0,1`, the right response first."""
    return [measure([result]).accuracy_by_order[order] == 1 for result in results]


def right_in_both(results: Sequence[JudgeResult]) -> list[bool]:
    """Of each pair, whether it was judged right in both orders."""
    return [measure([result]).position_consistent_accuracy == 1 for result in results]
