"""Charts of a report: curves, bars with 95% intervals, histograms.

A chart draws itself on matplotlib axes and gives its numbers as a table; `j1sdk.report.svg`
does the rest.
"""

from __future__ import annotations

import math
import textwrap
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field

from j1sdk.evaluation.metrics import Rate
from j1sdk.report.blocks import Block, Table, visible, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, RULE = "#1b1c1d", "#5c6066", "#dcdee1"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
DASHES = ("-", "--", ":", "-.")
MOST_LABELS = 20
"""With more bars than this, the numbers above them would overlap."""
WIDEST_BAR = 0.25


class Chart(Block):
    """A drawing, with its numbers in a table."""

    layout: ClassVar[str] = "chart"

    @abstractmethod
    def draw(self, axes: Axes) -> None:
        """Draw on empty axes, and label them. Named artists go into a legend."""

    @abstractmethod
    def table(self) -> Table:
        """The numbers that are drawn."""

    @abstractmethod
    def describe(self) -> str:
        """What kind of chart, of what: for those who cannot see it."""


class Curves(Chart):
    """Lines through (x, y) points, one per series. A y that is a rate has its 95% interval."""

    x: str
    y: str
    series: dict[str, list[tuple[float, float | Rate]]]
    logarithmic: bool = False
    """The x axis, in powers of two."""

    def draw(self, axes: Axes) -> None:
        for place, (name, points) in enumerate(self.series.items()):
            axes.errorbar(
                [x for x, _ in points],
                [y.value if isinstance(y, Rate) else y for _, y in points],
                yerr=_errors([y for _, y in points if isinstance(y, Rate)]),
                elinewidth=1,
                capsize=3,
                label=short(name),
                color=colour(place),
                linestyle=DASHES[place % len(DASHES)],
                marker="o" if len(points) <= 20 else "",
            )
        if self.logarithmic:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(short(self.x))
        axes.set_ylabel(short(self.y))

    def table(self) -> Table:
        known = {name: dict(points) for name, points in self.series.items()}
        steps = sorted({x for points in known.values() for x in points})
        rows = [(x, *(points.get(x) for points in known.values())) for x in steps]
        return Table(title=self.title, header=(self.x, *self.series), rows=tuple(rows))

    def describe(self) -> str:
        return f"Line chart of {self.y} over {self.x}: {', '.join(self.series)}."


class Bars(Chart):
    """Groups of bars with 95% intervals. A rate that is None leaves a gap."""

    y: str
    groups: dict[str, dict[str, Rate | None]]

    def draw(self, axes: Axes) -> None:
        bars = {name: self._bars(name) for name in _names(self.groups)}
        draw_bars(axes, bars, _width(len(bars)), "{:.2f}")
        label_groups(axes, self.groups)
        rates = [rate for spots in bars.values() for rate in spots.values()]
        if rates and all(rate.low >= 0 and rate.high <= 1 for rate in rates):
            axes.set_ylim(0, 1.08)
            axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        axes.set_ylabel(short(self.y))

    def table(self) -> Table:
        names = _names(self.groups)
        rows = [(group, *map(bars.get, names)) for group, bars in self.groups.items()]
        header = (self.y, *names)
        return Table(title=self.title, note="with 95% intervals", header=header, rows=tuple(rows))

    def describe(self) -> str:
        names = ", ".join(_names(self.groups))
        return f"Bar chart of {self.y} by {', '.join(self.groups)}, each for {names}."

    def _bars(self, name: str) -> dict[float, Rate]:
        """One name's rates by the place of their group."""
        rates = [bars.get(name) for bars in self.groups.values()]
        return {place: rate for place, rate in enumerate(rates) if rate is not None}


class Tally(NamedTuple):
    """What a histogram counts: bins by their ends and names, and each series' counts."""

    edges: list[float]
    names: list[str]
    counts: dict[str, list[int]]


class Histogram(Chart):
    """How often each value occurs; or, given counts by label, each label."""

    x: str
    y: str = "judgments"
    series: dict[str, dict[str, int]] | dict[str, list[float]]
    bins: int = Field(default=20, ge=1)
    """For values; a few whole numbers get a bin each."""

    def draw(self, axes: Axes) -> None:
        edges, names, counts = self.tally()
        bars = {name: _heights(edges, seen) for name, seen in counts.items()}
        if self._labelled:
            draw_bars(axes, bars, _width(len(bars)), "{:,.0f}")
            label_groups(axes, names)
        else:
            draw_bars(axes, bars, edges[1] - edges[0], "")
        axes.set_xlabel(short(self.x))
        axes.set_ylabel(short(self.y))

    def table(self) -> Table:
        _, names, counts = self.tally()
        rows = tuple(zip(names, *counts.values(), strict=True))
        return Table(title=self.title, note=self.y, header=(self.x, *counts), rows=rows)

    def describe(self) -> str:
        return f"Histogram of {self.x}, in {self.y}: {', '.join(self.series)}."

    def tally(self) -> Tally:
        """The counts that are drawn."""
        if labelled := self._labelled:
            names = _names(labelled)
            counts = {one: [seen.get(name, 0) for name in names] for one, seen in labelled.items()}
            return Tally([place - 0.5 for place in range(len(names) + 1)], names, counts)
        values = {name: _finite(seen) for name, seen in self.series.items()}
        edges = _edges([value for seen in values.values() for value in seen], self.bins)
        names = [_bin_name(low, high) for low, high in pairwise(edges)]
        return Tally(edges, names, {name: _binned(seen, edges) for name, seen in values.items()})

    @property
    def _labelled(self) -> dict[str, dict[str, int]]:
        return {name: seen for name, seen in self.series.items() if isinstance(seen, dict)}


def draw_bars(
    axes: Axes, series: Mapping[str, Mapping[float, Rate]], width: float, text: str
) -> None:
    """Bars of each series by their place, side by side in `width`; a few are labelled."""
    slot = width / max(len(series), 1)
    few = sum(map(len, series.values())) <= MOST_LABELS
    for place, (name, bars) in enumerate(series.items()):
        offset = (place - (len(series) - 1) / 2) * slot
        drawn = axes.bar(
            [spot + offset for spot in bars],
            [rate.value for rate in bars.values()],
            slot * 0.94,
            yerr=_errors(list(bars.values())),
            ecolor=INK,
            capsize=4,
            color=colour(place),
            label=short(name),
        )
        if few and text:
            axes.bar_label(drawn, fmt=text, padding=3, fontsize="small")
            axes.margins(y=0.12)


def label_groups(axes: Axes, names: Iterable[str]) -> None:
    """Name the places 0, 1, ... and leave room around a few."""
    width = 16 if axes.bbox.width > 600 else 11
    labels = [textwrap.fill(short(name), width) for name in names]
    axes.set_xticks(range(len(labels)), labels)
    axes.tick_params(axis="x", length=0)
    margin = max(0.6, 1.5 - len(labels) / 2)
    axes.set_xlim(-margin, max(len(labels) - 1, 0) + margin)


def colour(place: int) -> str:
    """The colour of a chart's series by its place."""
    return SERIES[place % len(SERIES)]


def short(text: str) -> str:
    """A label that leaves room for the drawing."""
    return textwrap.shorten(visible(text), 60, placeholder="\u2026")


def _width(series: int) -> float:
    return min(0.8, series * WIDEST_BAR)


def _errors(rates: Sequence[Rate]) -> list[list[float]] | None:
    """How far each interval reaches below and above; None where none has a width."""
    if all(rate.low == rate.high for rate in rates):
        return None
    return [[rate.value - rate.low for rate in rates], [rate.high - rate.value for rate in rates]]


def _names(groups: Mapping[str, Mapping[str, object]]) -> list[str]:
    """The names in any of the groups, in the order they first appear."""
    return list(dict.fromkeys(name for group in groups.values() for name in group))


def _heights(edges: Sequence[float], counts: Sequence[int]) -> dict[float, Rate]:
    """Counts by the middle of their bin, as rates with no interval."""
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    rates = [Rate(value=count, low=count, high=count) for count in counts]
    return dict(zip(middles, rates, strict=True))


def _finite(values: Iterable[float | str]) -> list[float]:
    return [value for value in values if not isinstance(value, str) and math.isfinite(value)]


def _edges(values: Sequence[float], bins: int) -> list[float]:
    """Where equal bins begin and end; whole numbers are in the middle of one each."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if all(value.is_integer() for value in values) and high - low < 2 * bins:
        return [low - 0.5 + step for step in range(int(high - low) + 2)]
    width = (high - low) / bins or 1.0
    return [low + step * width for step in range(bins + 1)]


def _binned(values: Iterable[float], edges: Sequence[float]) -> list[int]:
    """How many values are in each bin; the last includes its end."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(bisect_right(edges, value), len(counts)) - 1] += 1
    return counts


def _bin_name(low: float, high: float) -> str:
    middle = (low + high) / 2
    whole = high - low == 1 and middle.is_integer()
    return written(middle) if whole else f"{written(low)} to {written(high)}"
