"""The report that `j1 calibrate` writes."""

from __future__ import annotations

from j1sdk.report import Curves, Rate, Report, Table
from j1sdk_scale.calibration import Calibration, Threshold


def calibration_report(fitted: Calibration) -> Report:
    """What each threshold would have done."""
    return Report(
        title="How sure a fast reading has to be",
        summary=summary(fitted),
        blocks=(_disagreements(fitted), thresholds_table(fitted)),
    )


def summary(fitted: Calibration) -> str:
    """What was fitted, in two sentences."""
    counted = (
        f"{fitted.n} pairs, of which thinking came to no verdict on {fitted.unread}."
        " A threshold is fitted so that a cascade decides no more than"
        f" {fitted.risk:.2%} of pairs otherwise than thinking, with 95% confidence."
    )
    if not fitted.thresholds[-1].decided:
        return f"{counted} There is none: no fast verdict is the same in both orders."
    if (taken := fitted.taken) is None:
        return f"{counted} There is none: even the surest fast verdicts disagree too often."
    return (
        f"{counted} From a probability of {taken.sure:g} on, a fast verdict stands: it decides"
        f" {taken.decided / fitted.n:.1%} of these pairs, {taken.disagreed} of them otherwise"
        f" (at most {taken.bound:.2%} of all), with {cost(fitted, taken):.0%} of the tokens that"
        " thinking takes."
    )


def cost(fitted: Calibration, threshold: Threshold) -> float:
    """Tokens written, as a share of those of a judge that always thinks."""
    return threshold.tokens / max(fitted.thinking, 1)


def thresholds_table(fitted: Calibration) -> Table:
    """A row for each threshold that was tried."""
    return Table(
        title="Thresholds, from the surest down",
        note=(
            "The first that exceeds the risk ends the search; the one before it is taken. Those"
            " that decide no more pairs than the one above are left out."
        ),
        header=("sure", "decided fast", "disagree", "of all, at most", "tokens"),
        rows=tuple(
            (
                f"{one.sure:g}" + (" (taken)" if one.sure == fitted.sure else ""),
                one.decided,
                one.disagreed,
                f"{one.bound:.2%}",
                f"{cost(fitted, one):.0%}",
            )
            for one in _telling(fitted)
        ),
    )


def _telling(fitted: Calibration) -> list[Threshold]:
    """Thresholds that decide more pairs than those before, and the one that is taken."""
    decided = {one.decided: one for one in reversed(fitted.thresholds)}
    return [one for one in fitted.thresholds if one in decided.values() or one.sure == fitted.sure]


def _disagreements(fitted: Calibration) -> Curves:
    """Disagreements against what is decided fast, with their bound."""
    line = [(one.decided / fitted.n, _rate(fitted, one)) for one in _telling(fitted)]
    return Curves(
        title="Decided otherwise than by thinking",
        note="Bars reach up to the one-sided 95% bound.",
        x="share of pairs decided fast",
        y="share of all pairs",
        series={"decided otherwise": list(dict(line).items())},
    )


def _rate(fitted: Calibration, threshold: Threshold) -> Rate:
    share = threshold.disagreed / fitted.n
    return Rate(value=share, low=share, high=max(threshold.bound, share))
