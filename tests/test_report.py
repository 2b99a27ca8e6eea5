"""Reports: what is in the page, and what can never be."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shown_reports import (
    A_WINS,
    BARS,
    CHARTS,
    EVERY_BLOCK,
    HOSTILE,
    RATE,
    TABLE,
    Page,
    judgment,
    page,
)

from j1sdk.errors import ConfigError, MissingExtraError
from j1sdk.report import (
    Bars,
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
from j1sdk.report.blocks import visible, written


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
