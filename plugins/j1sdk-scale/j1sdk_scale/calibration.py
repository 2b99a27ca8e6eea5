"""How sure a fast reading has to be, for a cascade to decide as thinking would.

Pairs are judged both ways, in both orders. A threshold's disagreements are the pairs that the fast
reading would decide otherwise than thinking does; where thinking comes to no verdict, every fast
one is a disagreement. Thresholds are tried from the surest down, and the last one before the first
whose one-sided 95% upper bound (Clopper-Pearson) exceeds the risk is taken. Tried in an order that
is fixed beforehand, they need no correction for their number (fixed-sequence testing, Learn then
Test, arXiv 2110.01052, section 3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from math import ceil, log
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from j1sdk.component import Value
from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.files import write_text
from j1sdk.judge import JudgeRewardModel
from j1sdk.judging import Judged, Shown, judge_shown
from j1sdk.scaling.single import Single
from j1sdk.types import JudgeResult, JudgmentTask
from j1sdk_scale.cascade import Cascade, certainty_of, fast_sampling

CONFIDENCE = 0.95
CALIBRATION_FILE = "calibration.json"
THRESHOLDS = tuple(round(1 - 0.5 * 10 ** (-step / 8), 6) for step in range(40, -1, -1))
"""From 0.999995 down to 0.5, closer together the surer they are."""
Begin = Callable[[str], Callable[[int, int], None]]
"""Starts a progress bar of this title."""


class Pair(NamedTuple):
    """A pair, read fast and thought about."""

    certainty: float
    """Of the fast verdict, from 0 to 1."""
    agrees: bool
    """Whether thinking comes to the same."""
    fast: int
    """Tokens that both orders' fast reading wrote."""
    thought: int
    """Tokens that thinking wrote, over both orders."""
    settled: bool = True
    """Whether thinking came to a verdict."""


class Threshold(Value):
    """What a cascade with this threshold does to the pairs it was fitted on."""

    sure: float
    decided: int
    """Pairs that the fast reading decides."""
    disagreed: int
    """Of these, those that thinking decides otherwise, or not at all."""
    bound: float
    """Share of all pairs that disagree, at most, with 95% confidence."""
    tokens: float
    """Tokens written per pair, both orders together."""


class Calibration(Value):
    """Every threshold that was tried, and the one to take."""

    n: int
    """Pairs."""
    unread: int
    """Pairs of which thinking came to no verdict: a tie, a flip, or a failed judgment."""
    risk: float
    sure: float | None
    """None where even the surest fast verdicts disagree too often."""
    thinking: float
    """Tokens per pair of a judge that always thinks."""
    thresholds: tuple[Threshold, ...]

    @property
    def taken(self) -> Threshold | None:
        return next((one for one in self.thresholds if one.sure == self.sure), None)


def calibrate_to_folder(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], out: Path, begin: Begin
) -> Calibration:
    """Judge the pairs at both speeds into `out`, fit the threshold, and write calibration.json.

    Goes on from the judgments that are there. Raises ConfigError for too few pairs for the risk,
    and as `judge_shown`.
    """
    risk = cascade_of(judge).risk
    if len(tasks) < (needed := pairs_needed(risk)):
        raise ConfigError(
            f"{len(tasks)} pairs cannot show a risk of {risk:g}, even if none disagrees:"
            f" give {needed} or more, or a larger judge.scaling.risk"
        )
    fast, thought = both_speeds(judge, tasks, out, begin)
    fitted = fit([pair_of(*both) for both in zip(fast, thought, strict=True)], risk)
    write_text(out / CALIBRATION_FILE, json.dumps(fitted.model_dump(mode="json"), indent=2))
    return fitted


def cascade_of(judge: JudgeRewardModel) -> Cascade:
    """The judge's scaling; raises ConfigError where that is another."""
    if not isinstance(judge.scaling, Cascade):
        raise ConfigError(f'scaling is {judge.scaling.name}: `j1 calibrate` fits a "cascade"')
    return judge.scaling


def both_speeds(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], out: Path, begin: Begin
) -> tuple[Judged, Judged]:
    """The results of reading fast, in `out`/fast, and of thinking, in `out`/thought."""
    scaling, plain = cascade_of(judge), judge.replace(scaling=Single())
    fast = plain.replace(
        format=scaling.fast_format(judge.format),
        sampling=fast_sampling(judge.sampling),
        engine=scaling.engine or judge.engine,
    )
    shown = Shown(tasks, plain.presentations)
    return (
        judge_shown(fast, shown, out / "fast", begin("Reading fast")),
        judge_shown(plain, shown, out / "thought", begin("Thinking")),
    )


def pairs_needed(risk: float) -> int:
    """Pairs without any disagreement that bound its share by the risk."""
    return ceil(log(1 - CONFIDENCE) / log(1 - risk))


def pair_of(fast: JudgeResult, thought: JudgeResult) -> Pair:
    """What both speeds made of one pair."""
    verdict = fast.judgments[0].verdict()
    return Pair(
        certainty=certainty_of(fast.judgments),
        agrees=verdict is not None and verdict == thought.preferred,
        fast=fast.usage.completion_tokens,
        thought=thought.usage.completion_tokens,
        settled=thought.preferred is not None,
    )


def fit(pairs: Sequence[Pair], risk: float) -> Calibration:
    """The lowest threshold whose disagreements are bounded by the risk, and all that were tried."""
    tried = list(_tried(pairs, risk))
    within = [one for one in tried if one.bound <= risk and one.decided]
    return Calibration(
        n=len(pairs),
        unread=sum(not pair.settled for pair in pairs),
        risk=risk,
        sure=within[-1].sure if within else None,
        thinking=fmean(pair.thought for pair in pairs),
        thresholds=tuple(tried),
    )


def _tried(pairs: Sequence[Pair], risk: float) -> Iterator[Threshold]:
    """Thresholds from the surest down, to the first that exceeds the risk."""
    for sure in THRESHOLDS:
        yield (one := measured(pairs, sure))
        if one.bound > risk:
            return


def measured(pairs: Sequence[Pair], sure: float) -> Threshold:
    """What a cascade with this threshold does to these pairs."""
    stand = [pair for pair in pairs if pair.certainty >= sure]
    disagreed = sum(not pair.agrees for pair in stand)
    spent = sum(pair.fast + pair.thought for pair in pairs) - sum(pair.thought for pair in stand)
    return Threshold(
        sure=sure,
        decided=len(stand),
        disagreed=disagreed,
        bound=upper_bound(disagreed, len(pairs)),
        tokens=spent / len(pairs),
    )


def upper_bound(count: int, n: int) -> float:
    """The one-sided 95% upper bound of a share (Clopper-Pearson). Raises MissingExtraError."""
    try:
        from scipy.stats import beta
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    return 1.0 if count == n else float(beta.ppf(CONFIDENCE, count + 1, n - count))
