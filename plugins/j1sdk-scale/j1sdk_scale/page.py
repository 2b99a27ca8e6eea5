"""The report that `j1 scale` writes."""

from __future__ import annotations

from collections.abc import Sequence

from j1sdk.evaluation.metrics import RATES
from j1sdk.report import Curves, Report
from j1sdk_scale.spending import Spending


def spending_report(title: str, spent: Sequence[Spending]) -> Report:
    """What `j1 scale` writes: every rate against the tokens spent, a line per strategy."""
    charts = [against_tokens(spent, key, label) for key, label in RATES.items()]
    tasks = spent[0].metrics.n
    return Report(
        title=title,
        summary=(
            f"{tasks} tasks. Every strategy is given the same samples, so strategies differ only"
            " in how many of them they draw, and in what they make of them. Bars are 95%"
            " intervals."
        ),
        blocks=tuple(chart for chart in charts if chart.series),
    )


def against_tokens(spent: Sequence[Spending], key: str, label: str) -> Curves:
    """One rate, a line per strategy."""
    series = {
        strategy: [
            (one.tokens, rate)
            for one in spent
            if one.strategy == strategy and (rate := one.metrics.rate(key))
        ]
        for strategy in dict.fromkeys(one.strategy for one in spent)
    }
    return Curves(
        title=label.capitalize(),
        x="tokens per judgment",
        y=label,
        series={strategy: line for strategy, line in series.items() if line},
        logarithmic=True,
    )
