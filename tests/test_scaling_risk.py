"""A vote that stops when it is certain enough."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from j1sdk import ConfigError, Judgment, JudgmentStatus, Vote
from j1sdk.background import run
from j1sdk.scaling.vote import chance_of_change
from j1sdk.testing import Drawing
from j1sdk.types import Scores

A, B, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def voted(said: list[Scores | None], **options: object) -> Judgment:
    """The vote on samples that say these."""

    async def draw(number: int) -> Judgment:
        scores = said[number]
        status = JudgmentStatus.OK if scores else JudgmentStatus.UNPARSEABLE
        return Judgment(task_id="t", order=(0, 1), scores=scores, status=status)

    vote = Vote.model_validate({"n": len(said), **options})
    return run(vote.judge(Drawing(lambda number: None).samples._replace(draw=draw)))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 40))
def test_the_chance_of_another_outcome_is_that_of_the_beta_binomial(
    first: int, others: int, left: int
) -> None:
    if first <= others:
        assert chance_of_change(first, others, left) == (left > 0)
        return
    level = (others + left - first) // 2  # so many further votes and it is level, or lost
    expected = float(betabinom(left, first + 1, others + 1).cdf(level)) if level >= 0 else 0.0
    assert chance_of_change(first, others, left) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.sampled_from([A, A, B, TIE, None]), min_size=1, max_size=33))
def test_with_next_to_no_risk_the_outcome_is_the_full_votes(said: list[Scores | None]) -> None:
    assert voted(said, risk=1e-15).scores == voted(said).scores


def test_it_draws_fewer_samples_than_an_exact_stop_and_changes_few_outcomes() -> None:
    """Of 400 votes of 32 by a judge that is right eight times in ten."""
    random_ = random.Random(0)
    drawn = {"exact": 0, "risky": 0}
    changed = 0
    for _ in range(400):
        said: list[Scores | None] = [A if random_.random() < 0.8 else B for _ in range(32)]
        exact, risky = voted(said, early_stop=True), voted(said, risk=0.01)
        drawn["exact"] += len(exact.samples)
        drawn["risky"] += len(risky.samples)
        changed += exact.scores != risky.scores
    assert changed <= 8 and drawn["risky"] < 0.7 * drawn["exact"], (changed, drawn)


@pytest.mark.parametrize("risk", [-0.1, 0.5, 1.0])
def test_a_risk_is_a_chance_below_a_half(risk: float) -> None:
    with pytest.raises(ConfigError, match="risk"):
        Vote(risk=risk)
