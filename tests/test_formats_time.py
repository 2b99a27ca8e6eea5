"""Reading and quoting take time in proportion to the text, up to 5 MB."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from j1sdk_data.builders.constraints import ConstraintChecks
from j1sdk_family.reward_anything import RewardAnything
from j1sdk_family.rm_r1 import RmR1
from j1sdk_family.rrm import Rrm
from j1sdk_family.think_j import ThinkJ
from j1sdk_spct import Spct, SpctSingle

from j1sdk import (
    JudgmentFormat,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
)
from j1sdk.errors import JudgmentError
from j1sdk.quoting import COMMON_SPECIAL_TOKENS, quote

KINDS = (PairwiseVerdict, PairwiseScores, PairwiseVerdictScores, Pointwise, RmR1, Rrm, ThinkJ,
         Spct, SpctSingle)  # fmt: skip
FORMATS: list[JudgmentFormat] = [
    *(kind.model_validate({"lenient": lenient}) for kind in KINDS for lenient in (False, True)),
    *(RewardAnything(principle="?", lenient=lenient) for lenient in (False, True)),
    ConstraintChecks(constraints=3),
]
UNITS = (
    "<score>", "<answer>", "<answer>[[A]]</answer>", "<met>    ", "< ", "<", "\\boxed{", "[[A", "1",
    "</think>", "<think>", '{"scores":', '{"scores": {"A": 1, ', "[[A]] by 2 ", "1/", " ", "{",
    "\uff1cscore\uff1e", "<score>8", "[", "yes, ", "</eval>", "</critique><scores>\\boxed{",
)  # fmt: skip
SMALL, LARGE = 100_000, 800_000
ALLOWED = 3
"""Times the proportion; quadratic time would be 8 times the proportion."""
TICK = 0.001
"""Seconds below which a clock says little about a ratio."""


def spent(work: Callable[[], object]) -> float:
    """CPU seconds, the least of three."""

    def once() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return min(once() for _ in range(3))


def parse(form: JudgmentFormat, text: str) -> None:
    with suppress(JudgmentError):
        form.parse(text)


def in_proportion(work: Callable[[str], object], unit: str, head: str = "") -> bool:
    """Whether eight times the text takes no more than eight times the time, and some slack."""
    small, large = (spent(partial(work, head + unit * (n // len(unit)))) for n in (SMALL, LARGE))
    return large / max(small, TICK) < ALLOWED * LARGE / SMALL


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: repr(form)[:50])
def test_reading_grows_as_the_text_does(form: JudgmentFormat) -> None:
    closings = "".join(closing for _, closing in form.thinking_sections) + "</think>"
    slow = [
        (head, unit)
        for unit in UNITS
        for head in ("", closings)
        if not in_proportion(partial(parse, form), unit, head)
    ]
    assert not slow


@pytest.mark.parametrize(
    "unit", [*UNITS, "a", "<|im_end|>", "<|", "<|im_<|im_end|>", "</th</think>"]
)
def test_quoting_grows_as_the_text_does(unit: str) -> None:
    markers = COMMON_SPECIAL_TOKENS | {*PairwiseVerdict.markers, *RewardAnything.markers}
    assert in_proportion(lambda text: quote(text, markers), unit)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: repr(form)[:50])
def test_five_megabytes_are_read_and_quoted(form: JudgmentFormat) -> None:
    markers = COMMON_SPECIAL_TOKENS | {*form.markers}
    for unit in UNITS:
        text = unit * (5_000_000 // len(unit))
        parse(form, text)
        assert len(quote(text, markers)) >= len(text)
