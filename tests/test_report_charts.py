"""Charts are drawn to say what their numbers do."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shown_reports import BARS, CHARTS, CURVES, LABELS, RATE, VALUES, page

from j1sdk.report import (
    Bars,
    Curves,
    Histogram,
    Rate,
    Report,
    render,
)
from j1sdk.report.blocks import written
from j1sdk.report.charts import Chart


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_has_axes_in_words_a_description_and_its_numbers(chart: Chart) -> None:
    parsed = page(chart)
    assert len(parsed.named("svg")) == 1
    described = [found["aria-label"] for found in parsed.named("div") if found.get("role") == "img"]
    assert described == [chart.describe()]
    for row in chart.table().rows:
        for cell in row:
            assert written(cell) in parsed.text


def drawn_text(chart: Chart, narrow: bool = False) -> list[str]:
    html = render(Report(title="t", summary="s", blocks=(chart,)))
    drawings = re.findall("<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) == 2, "for a desk and for a phone"
    return [text.strip() for text in re.findall(">([^<>]+)</text>", drawings[narrow])]


def test_a_phone_shows_the_same_words() -> None:
    wide, narrow = (
        " ".join(sorted(" ".join(drawn_text(BARS, phone)).split())) for phone in (False, True)
    )
    assert wide == narrow


def test_bars_say_their_values_their_groups_and_their_series() -> None:
    drawn = drawn_text(BARS)
    assert {"0.49", "0.81", "0.87", "both orders", "flips", "before", "after"} <= set(drawn)
    assert "share of pairs" in drawn
    assert {"0.0", "1.0"} <= set(drawn), "shares are drawn from 0 to 1"


def test_a_missing_rate_is_a_gap_and_not_a_zero() -> None:
    assert "0.00" not in drawn_text(BARS)
    assert BARS.table().rows[1] == ("flips", BARS.groups["flips"]["before"], None)


def test_bars_reach_from_low_to_high() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    BARS.draw(axes)
    values = [bar.get_height() for bar in axes.patches]  # type: ignore[attr-defined]
    assert values == pytest.approx([0.4875, 0.8667, 0.8125])
    segments = [
        tuple(end[1] for end in segment)
        for lines in axes.collections
        for segment in lines.get_segments()  # type: ignore[attr-defined]
    ]
    assert sorted(segments) == [
        pytest.approx(ends) for ends in [(0.431, 0.544), (0.764, 0.853), (0.82, 0.9)]
    ]


def test_bars_that_are_no_shares_choose_their_own_axis() -> None:
    tokens = Rate(value=120, low=100, high=140)
    drawn = drawn_text(Bars(title="t", y="tokens", groups={"a": {"b": tokens}}))
    assert "120.00" in drawn and "1.0" not in drawn


def test_many_bars_are_drawn_without_numbers_over_them() -> None:
    groups: dict[str, dict[str, Rate | None]] = {f"g{place}": {"a": RATE} for place in range(40)}
    assert "0.50" not in drawn_text(Bars(title="t", y="y", groups=groups))
    assert "0.50" in drawn_text(Bars(title="t", y="y", groups=dict(list(groups.items())[:5])))


def test_one_series_needs_no_legend_and_two_do() -> None:
    one = Curves(title="t", x="x", y="y", series={"alone": [(0, 0), (1, 1)]})
    assert "alone" not in drawn_text(one)
    assert {"correctness", "consistency"} <= set(drawn_text(CURVES))


def test_curves_share_a_table_by_x() -> None:
    table = CURVES.table()
    assert table.header == ("step", "correctness", "consistency")
    assert table.rows[0] == (0.0, 0.0, 0.0)
    assert table.rows[1] == (1.0, 0.02, None)
    assert len(table.rows) == 40


def test_curves_of_one_colour_differ_in_their_dashes() -> None:
    from matplotlib.figure import Figure

    series = {str(place): [(0.0, float(place)), (1.0, 1.0)] for place in range(8)}
    axes = Figure().add_subplot()
    Curves(title="t", x="x", y="y", series=series).draw(axes)
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(looks) == 8


def test_rates_on_curves_carry_their_intervals() -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    line: list[tuple[float, float | Rate]] = [(1, RATE), (8, RATE)]
    curves = Curves(title="t", x="tokens", y="y", series={"a": line}, logarithmic=True)
    axes = Figure().add_subplot()
    curves.draw(axes)
    (bars,) = axes.collections
    assert isinstance(bars, LineCollection)
    reach = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert reach == [pytest.approx([RATE.low, RATE.high])] * 2
    assert axes.get_xscale() == "log"
    assert curves.table().rows == ((1.0, RATE), (8.0, RATE))


def test_labels_are_counted_where_they_are_and_nought_where_not() -> None:
    assert LABELS.table().rows == (("A", 557, 0), ("B", 26, 0), ("tie", 0, 3))
    assert {"557", "26", "3", "A", "B", "tie", "verdict", "judgments"} <= set(drawn_text(LABELS))


def test_whole_numbers_get_a_bin_each() -> None:
    assert VALUES.table().rows == (
        ("2", 0, 1),
        *((str(score), 0, 0) for score in (3, 4, 5, 6)),
        ("7", 1, 1),
        ("8", 2, 0),
        ("9", 1, 0),
    )


def test_other_numbers_get_bins_of_one_width() -> None:
    chart = Histogram(title="t", x="x", series={"a": [0.0, 0.1, 0.5, 0.99, 1.0]}, bins=4)
    assert chart.table().rows == (
        ("0 to 0.25", 2),
        ("0.25 to 0.5", 0),
        ("0.5 to 0.75", 1),
        ("0.75 to 1", 2),
    )


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), max_size=20), min_size=1, max_size=3),
    st.integers(1, 30),
)
@settings(max_examples=100, deadline=None)
def test_every_finite_value_is_in_one_bin(drawn: list[list[float]], bins: int) -> None:
    series = {str(place): values for place, values in enumerate(drawn)}
    edges, names, counts = Histogram(title="t", x="x", series=series, bins=bins).tally()
    assert len(names) == len(edges) - 1
    assert {name: sum(seen) for name, seen in counts.items()} == {
        name: len(values) for name, values in series.items()
    }


@pytest.mark.parametrize(
    "chart",
    [
        Bars(title="t", y="y", groups={}),
        Bars(title="t", y="y", groups={"a": {}}),
        Bars(title="t", y="y", groups={"a": {"b": None}}),
        Curves(title="t", x="x", y="y", series={}),
        Curves(title="t", x="x", y="y", series={"a": []}),
        Curves(title="t", x="x", y="y", series={"a": [(0, math.nan), (1, math.inf)]}),
        Histogram(title="t", x="x", series={}),
        Histogram(title="t", x="x", series={"a": []}),
        Histogram(title="t", x="x", series={"a": {}}),
        Histogram(title="t", x="x", series={"a": [math.nan, math.inf, 0.3]}),
        Histogram(title="t", x="x", series={"a": [0.3, 0.3]}),
        Bars(title="t", y="y", groups={"long " * 40: {"name" * 40: RATE, "b": RATE}}),
    ],
)
def test_a_chart_of_little_is_still_drawn(chart: Chart) -> None:
    assert len(page(chart).named("svg")) == 1


# Transcripts
