"""Reports: what is in the page, and what can never be."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.evaluation.metrics import measure
from j1sdk.judge import result_of
from j1sdk.report import (
    Bars,
    Block,
    Curves,
    Histogram,
    Rate,
    Report,
    Table,
    TranscriptPair,
    Transcripts,
    render,
    write_report,
)
from j1sdk.report.blocks import is_long, mark, visible, written
from j1sdk.report.charts import Chart
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Message, Scores

HOSTILE = (
    '</pre><script>alert("1")</script><img src=x onerror=alert(2)>\x00\x1b[2J\u202egnirts\ud800'
)
VOID = {"meta", "br", "img", "link", "input", "hr"}
A_WINS, B_WINS, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


class Page(HTMLParser):
    """A page's tags, attributes and text; fails where tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), "an attribute is there twice"
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(*blocks: Block, title: str = "Title", summary: str = "Summary") -> Page:
    return Page(render(Report(title=title, summary=summary, blocks=blocks)))


def judgment(
    order: tuple[int, ...], scores: Scores | None, said: str = "[[A]]", asked: str = "Which?"
) -> Judgment:
    return Judgment(
        task_id="t",
        order=order,
        scores=scores,
        status=JudgmentStatus.OK if scores else JudgmentStatus.UNPARSEABLE,
        detail="" if scores else "no verdict",
        transcript=(
            Message(role="user", content=asked),
            Message(role="assistant", content=said),
        ),
    )


def pair(first: Scores | None, second: Scores | None, gold: int | None = 0) -> JudgeResult:
    task = JudgmentTask(prompt="q", responses=("x", "y"), preferred=gold, id="task-7")
    return result_of(task, [judgment((0, 1), first), judgment((1, 0), second)])


def points(*scores: float | None, gold: int | None = 0) -> JudgeResult:
    responses = tuple(str(place) for place in range(len(scores)))
    task = JudgmentTask(prompt="q", responses=responses, preferred=gold)
    shown = [
        judgment((place,), None if score is None else (score,))
        for place, score in enumerate(scores)
    ]
    return result_of(task, shown)


BARS = Bars(
    title="Accuracy",
    y="share of pairs",
    groups={
        "both orders": {
            "before": Rate(value=0.4875, low=0.431, high=0.544),
            "after": Rate(value=0.8125, low=0.764, high=0.853),
        },
        "flips": {"before": Rate(value=0.8667, low=0.82, high=0.9), "after": None},
    },
)
CURVES = Curves(
    title="Reward",
    x="step",
    y="mean reward",
    series={
        "correctness": [(float(step), step / 50) for step in range(40)],
        "consistency": [(float(step), step / 70) for step in range(0, 40, 2)],
    },
)
LABELS = Histogram(
    title="Verdicts", x="verdict", series={"before": {"A": 557, "B": 26}, "after": {"tie": 3}}
)
VALUES = Histogram(title="Scores", x="score", series={"preferred": [7, 8, 8, 9], "other": [2, 7]})
TABLE = Table(
    title="By subset",
    note="A note.",
    header=("subset", "pairs", "accuracy", "comment"),
    rows=(("maths", 1234, Rate(value=0.5, low=0.25, high=0.75), "fine"), ("chat", 7, None, None)),
)
TRANSCRIPTS = Transcripts(
    title="Transcripts", pairs=(TranscriptPair.from_result(pair(A_WINS, A_WINS)),)
)
EVERY_BLOCK = (BARS, CURVES, LABELS, VALUES, TABLE, TRANSCRIPTS)
CHARTS = (BARS, CURVES, LABELS, VALUES)


# The page


@pytest.fixture(scope="module")
def full() -> tuple[str, Page]:
    html = render(Report(title="All of it", summary="In short.", blocks=EVERY_BLOCK))
    return html, Page(html)


def test_every_block_has_its_title_and_the_page_its_own(full: tuple[str, Page]) -> None:
    _, parsed = full
    for block in EVERY_BLOCK:
        assert block.title in parsed.text
    assert parsed.text.count("All of it") == 2, "as the title of the window and of the page"
    assert "In short." in parsed.text and "A note." in parsed.text


def test_the_page_needs_nothing_else(full: tuple[str, Page]) -> None:
    html, parsed = full
    assert "http:" not in html and "https:" not in html and "@import" not in html
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "base", "form"}
    links = [value for _, found in parsed.tags for key, value in found.items() if key == "href"]
    assert links and all(link and link.startswith("#") for link in links)
    assert all("src" not in attributes for _, attributes in parsed.tags)
    assert set(re.findall(r"url\((.)", html)) <= {"#"}


def test_ids_are_unique_and_every_reference_is_to_one(full: tuple[str, Page]) -> None:
    html, parsed = full
    ids = [found["id"] for _, found in parsed.tags if "id" in found]
    assert len(ids) == len(set(ids))
    labels = {found["aria-labelledby"] for _, found in parsed.tags if "aria-labelledby" in found}
    drawn = set(re.findall(r'(?:url\(|href=")#([^)"]+)', html))
    assert drawn and drawn | labels <= set(ids)


def test_the_same_report_is_the_same_bytes(tmp_path: Path) -> None:
    """In another process too, whose hashes are seeded differently."""
    report = Report(title="t", summary="s", blocks=EVERY_BLOCK)
    write_report(report, tmp_path / "here.html")
    (tmp_path / "report.json").write_text(json.dumps([one.model_dump() for one in EVERY_BLOCK]))
    program = f"""
import json, sys
from j1sdk.report import *
kinds = [{", ".join(type(one).__name__ for one in EVERY_BLOCK)}]
dumped = json.load(open("report.json"))
blocks = [kind.model_validate(one) for kind, one in zip(kinds, dumped, strict=True)]
write_report(Report(title="t", summary="s", blocks=blocks), "there.html")
print("matplotlib.pyplot" in sys.modules)
"""
    assert python(program, cwd=tmp_path) == "False"
    assert (tmp_path / "here.html").read_bytes() == (tmp_path / "there.html").read_bytes()


def python(program: str, cwd: Path | None = None) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=True, cwd=cwd,
    )  # fmt: skip
    return ran.stdout.strip()


def test_drawing_leaves_no_trace_in_matplotlib() -> None:
    import matplotlib as mpl

    before = mpl.rcParams.copy()
    page(*CHARTS)
    assert mpl.rcParams.copy() == before


def test_a_users_own_style_changes_nothing() -> None:
    import matplotlib as mpl

    report = Report(title="t", summary="s", blocks=CHARTS)
    plain = render(report)
    with mpl.rc_context({"axes.facecolor": "red", "lines.linestyle": ":", "font.size": 30}):
        assert render(report) == plain


def test_a_readers_themes_are_both_there(full: tuple[str, Page]) -> None:
    html, _ = full
    assert "prefers-color-scheme: dark" in html and "@media print" in html
    used = set(re.findall(r"var\(--([\w-]+)\)", html))
    light, _, dark = html.partition("prefers-color-scheme: dark")
    for name in used:
        assert f"--{name}:" in light and f"--{name}:" in dark
    drawn = "".join(re.findall("<svg.*?</svg>", html, re.DOTALL))
    assert not re.search("#[0-9a-f]{6}", drawn), "a colour that no theme can change"


def test_a_report_of_nothing_is_a_page() -> None:
    assert "Summary" in page().text


def test_a_page_without_a_summary_has_no_empty_paragraph() -> None:
    assert not any(found.get("class") == "summary" for found in page(summary="").named("p"))


# Hostile text


def test_hostile_text_is_inert_and_visible_wherever_it_stands() -> None:
    said = judgment((0, 1), A_WINS, said=HOSTILE, asked=HOSTILE * 9)
    parsed = page(
        Table(title=HOSTILE, note=HOSTILE, header=(HOSTILE, HOSTILE), rows=((HOSTILE, HOSTILE),)),
        Bars(title=HOSTILE, y=HOSTILE, groups={HOSTILE: {HOSTILE: Rate(value=1, low=0, high=2)}}),
        Curves(title=HOSTILE, x=HOSTILE, y=HOSTILE, series={HOSTILE: [(0, 1)], "b": [(0, 2)]}),
        Histogram(title=HOSTILE, x=HOSTILE, y=HOSTILE, series={HOSTILE: {HOSTILE: 1}, "b": {}}),
        Transcripts(
            title=HOSTILE,
            pairs=(
                TranscriptPair(
                    heading=HOSTILE, left=said, left_label=HOSTILE, outcome=HOSTILE, preferred=0
                ),
            ),
        ),
        title=HOSTILE,
        summary=HOSTILE,
    )
    assert not parsed.named("script") and not parsed.named("img")
    assert not any(key.startswith("on") for _, found in parsed.tags for key in found)
    assert parsed.text.count("</pre><script>alert(") >= 20
    assert "\u27e8U+0000\u27e9\u27e8U+001B\u27e9[2J\u27e8U+202E\u27e9gnirts" in parsed.text


def test_a_page_of_hostile_text_is_written_as_utf_8(tmp_path: Path) -> None:
    write_report(Report(title=HOSTILE, summary="", blocks=()), tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "\u27e8U+D800\u27e9" in html and "\x00" not in html


def test_template_language_in_a_response_is_only_text() -> None:
    said = "{{ 7 * 7 }} {% for x in y %} ${x} $\\frac{1}{2}$"
    table = Table(title="t", header=("a",), rows=((said,),))
    bars = Bars(title="t", y=said, groups={said: {"a": Rate(value=1, low=1, high=1)}})
    parsed = page(table, bars)
    assert parsed.text.count(said) >= 3 and "49" not in parsed.text


def test_a_label_that_no_font_of_matplotlib_has_is_drawn_without_complaint() -> None:
    chart = Bars(title="t", y="\u5206\u6570", groups={"\u6570\u5b66": {"\U0001f600": RATE}})
    assert page(chart).text.count("\u6570\u5b66") == 2


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_visible_text_has_no_unseen_character_and_loses_no_other(text: str) -> None:
    shown = visible(text)
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in shown)
    assert not any(letter in shown for letter in "\x7f\x85\u200b\u202e\u2066\ufeff")
    back = re.sub("\u27e8U\\+([0-9A-F]{4,6})\u27e9", lambda found: chr(int(found[1], 16)), shown)
    assert back == text or "\u27e8U+" in text
    assert visible(shown) == shown


def test_visible_keeps_every_script_and_emoji() -> None:
    kept = "na\u00efve \u4f60\u597d \u0645\u0631\u062d \U0001f469\u200d\U0001f52c\ttab\nline"
    assert visible(kept) == kept
    assert visible("\ud83d") == "\u27e8U+D83D\u27e9"
    assert visible("\U000e0041") == "\u27e8U+E0041\u27e9", "a tag character, which hides text"


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=30, deadline=None)
def test_any_text_makes_a_page_that_reads_as_it(cell: str, said: str) -> None:
    table = Table(title="t", header=("a", "b"), rows=((cell, said),))
    told = TranscriptPair(heading=cell, left=judgment((0, 1), A_WINS, said=said))
    parsed = page(table, Transcripts(title="u", pairs=(told,)))
    assert parsed.text.count(visible(cell)) >= 2
    assert parsed.text.count(visible(said)) >= 2


# Tables


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (0.12345, "0.1235"),
        (12345.678, "12,345.7"),
        (-0.5, "-0.5"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (None, "\u2013"),
        ("x\x00", "x\u27e8U+0000\u27e9"),
        (Rate(value=0.5, low=0.25, high=0.75), "0.500 [0.250, 0.750]"),
    ],
)
def test_a_cell_as_text(cell: str | int | float | Rate | None, text: str) -> None:
    assert written(cell) == text


def test_a_table_has_headers_for_columns_and_rows() -> None:
    parsed = page(TABLE)
    scopes = [found["scope"] for found in parsed.named("th")]
    assert scopes == ["col"] * 4 + ["row"] * 2
    assert len(parsed.named("td")) == 6
    assert "0.500 [0.250, 0.750]" in parsed.text and "1,234" in parsed.text


def test_an_empty_header_is_no_header() -> None:
    parsed = page(Table(title="t", header=("", "b"), rows=(("x", 1),)))
    assert [found["scope"] for found in parsed.named("th")] == ["col", "row"]


def test_columns_of_numbers_are_aligned_with_their_header() -> None:
    parsed = page(TABLE)
    headers = [found.get("class") for found in parsed.named("th")]
    assert headers[:4] == [None, "number", "number", None]
    assert [found.get("class") for found in parsed.named("td")] == ["number", "number", None] * 2


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="the header has 2 cells"):
        Table(title="t", header=("a", "b"), rows=(("only one",),))


# Charts


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_has_axes_in_words_a_description_and_its_numbers(chart: Chart) -> None:
    parsed = page(chart)
    assert len(parsed.named("svg")) == 1
    described = [found["aria-label"] for found in parsed.named("div") if found.get("role") == "img"]
    assert described == [chart.describe()]
    for row in chart.table().rows:
        for cell in row:
            assert written(cell) in parsed.text


def drawn_text(chart: Chart) -> list[str]:
    html = render(Report(title="t", summary="s", blocks=(chart,)))
    (drawing,) = re.findall("<svg.*?</svg>", html, re.DOTALL)
    return [text.strip() for text in re.findall(">([^<>]+)</text>", drawing)]


RATE = Rate(value=0.5, low=0.4, high=0.6)


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


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (pair(A_WINS, B_WINS), "Correct in both orders"),
        (pair(B_WINS, A_WINS), "Wrong in both orders"),
        (pair(A_WINS, A_WINS), "Verdict flips"),
        (pair(B_WINS, B_WINS), "Verdict flips"),
        (pair(TIE, TIE), "Tie in both orders"),
        (pair(A_WINS, TIE), "Correct, then tie"),
        (pair(TIE, None), "Tie, then failed"),
        (pair(None, None), "Failed in both orders"),
        (pair(A_WINS, B_WINS, gold=None), "Same verdict in both orders"),
        (pair(A_WINS, A_WINS, gold=None), "Verdict flips"),
        (points(8, 3), "Correct"),
        (points(3, 8), "Wrong"),
        (points(3, 3), "Tie"),
        (points(3, None), "Failed"),
        (points(3, 8, gold=None), "Response 1 scored higher"),
        (points(3, gold=None), ""),
    ],
)
def test_what_a_pair_comes_to_in_words(result: JudgeResult, outcome: str) -> None:
    assert TranscriptPair.from_result(result).outcome == outcome


@pytest.mark.parametrize("first", [A_WINS, B_WINS, TIE, None])
@pytest.mark.parametrize("second", [A_WINS, B_WINS, TIE, None])
def test_words_and_metrics_agree(first: Scores | None, second: Scores | None) -> None:
    result = pair(first, second)
    measured, words = measure([result]), TranscriptPair.from_result(result).outcome
    assert (measured.verdict_flip_rate == 1) == (words == "Verdict flips")
    assert (measured.position_consistent_accuracy == 1) == (words == "Correct in both orders")
    sides = TranscriptPair.from_result(result).sides
    correct = [side.mark for side in sides].count("correct")
    assert measured.accuracy == correct / 2


def test_marks_are_words_beside_colours() -> None:
    told = [
        TranscriptPair.from_result(pair(A_WINS, A_WINS)),
        TranscriptPair.from_result(pair(TIE, None)),
    ]
    text = page(Transcripts(title="t", pairs=tuple(told))).text
    for word in ("\u2713 correct", "\u2717 wrong", "= tie", "! failed"):
        assert text.count(word) == 1
    assert "Verdict A (1 to 0)" in text and "Tie (0.5 to 0.5)" in text
    assert "unparseable: no verdict" in text


def test_each_side_says_what_it_showed_where() -> None:
    left, right = TranscriptPair.from_result(pair(A_WINS, B_WINS)).sides
    assert (left.shown, left.verdict) == (
        "A is response 0 (preferred), B is response 1",
        "Verdict A (1 to 0)",
    )
    assert (right.shown, right.verdict) == (
        "A is response 1, B is response 0 (preferred)",
        "Verdict B (0 to 1)",
    )
    alone = TranscriptPair.from_result(points(7.5, 2)).sides
    assert [(side.shown, side.verdict, side.mark) for side in alone] == [
        ("Response 0 (preferred)", "Score 7.5", "read"),
        ("Response 1", "Score 2", "read"),
    ]


def test_without_gold_no_verdict_is_called_correct() -> None:
    assert mark(judgment((0, 1), A_WINS), None) == "read"
    text = page(
        Transcripts(title="t", pairs=(TranscriptPair.from_result(pair(A_WINS, B_WINS, None)),))
    ).text
    assert "correct" not in text and "Same verdict in both orders" in text


def test_before_and_after_may_be_compared_too() -> None:
    told = TranscriptPair(
        heading="One order",
        left=judgment((1, 0), A_WINS, said="I say A"),
        right=judgment((1, 0), B_WINS, said="I say B"),
        left_label="Before",
        right_label="After",
        preferred=0,
    )
    assert [side.mark for side in told.sides] == ["wrong", "correct"]
    text = page(Transcripts(title="t", pairs=(told,))).text
    positions = [text.index(word) for word in ("Before", "I say A", "After", "I say B")]
    assert positions == sorted(positions)


def test_a_task_judged_once_has_one_side() -> None:
    once = result_of(pair(A_WINS, B_WINS).task, [judgment((0, 1), A_WINS)])
    told = TranscriptPair.from_result(once)
    assert (len(told.sides), told.outcome) == (1, "Correct")
    assert told.heading == "Task task-7"


def test_long_questions_are_folded_and_answers_never() -> None:
    long = "word " * 200
    told = TranscriptPair(heading="h", left=judgment((0, 1), A_WINS, said=long, asked=long))
    parsed = page(Transcripts(title="t", pairs=(told,)))
    assert [found["class"] for found in parsed.named("details")] == ["user"]
    assert all("open" not in found for found in parsed.named("details"))
    assert "user, 1,000 characters" in parsed.text
    assert parsed.text.count(long) == 2
    assert not is_long(Message(role="user", content="short"))


def test_a_transcript_is_word_for_word() -> None:
    said = "\n  <think>\n\tif a < b & c:\n\n\n    yes</think>\n[[A]]  "
    told = TranscriptPair(heading="h", left=judgment((0, 1), A_WINS, said=said))
    html = render(Report(title="t", summary="s", blocks=(Transcripts(title="t", pairs=(told,)),)))
    shown = re.findall("<pre[^>]*>\n(.*?)</pre>", html, re.DOTALL)  # a browser drops that newline
    assert [unescape(text) for text in shown] == ["Which?", said]


# Files


def test_writing_makes_the_folder_and_leaves_one_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "report.html"
    write_report(Report(title="t", summary="s", blocks=(TABLE,)), str(target))
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_report_that_fails_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    write_report(Report(title="old", summary="s", blocks=()), target)
    before = target.read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_report(Report(title="new", summary="s", blocks=()), target)
    assert target.read_bytes() == before


# Extras


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*j1sdk\[report\]"):
        write_report(Report(title="t", summary="s", blocks=(BARS,)), tmp_path / "r.html")
    assert not list(tmp_path.iterdir())


def test_importing_reports_loads_nothing_heavy() -> None:
    program = (
        "import sys, j1sdk.report;"
        "print({'matplotlib', 'jinja2', 'numpy', 'scipy'} & set(sys.modules))"
    )
    assert python(program) == "set()"


# Values


def test_a_report_is_frozen_and_dumps_with_its_blocks() -> None:
    report = Report(title="t", summary="s", blocks=EVERY_BLOCK)
    with pytest.raises(ConfigError):
        report.title = "u"  # type: ignore[misc]
    dumped = report.model_dump(mode="json")["blocks"]
    assert dumped[1]["series"]["consistency"][1] == [2.0, 2 / 70]
    assert [
        type(block).model_validate(one) for block, one in zip(EVERY_BLOCK, dumped, strict=True)
    ] == [*EVERY_BLOCK]


def test_a_misspelt_field_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'groups'"):
        Bars(title="t", y="y", group={})  # type: ignore[call-arg]


def test_a_big_report_stays_small() -> None:
    draw = random.Random(0)
    series = {
        name: [(float(step), draw.random()) for step in range(1000)] for name in ("one", "two")
    }
    html = render(
        Report(title="t", summary="s", blocks=(Curves(title="t", x="x", y="y", series=series),))
    )
    assert len(html) < 400_000
