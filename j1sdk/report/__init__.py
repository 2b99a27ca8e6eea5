"""A report as one HTML file, made of blocks: tables, charts and judges' transcripts.

    report = Report(
        title="What training did",
        summary="The same judge before and after 75 steps.",
        blocks=(
            Bars(title="Accuracy", y="share of pairs", groups={"Both orders": {"before": rate}}),
            Curves(title="Reward", x="step", y="mean reward", series={"train": rewards}),
        ),
    )
    write_report(report, Path("report.html"))

The file needs nothing else: no network, no script. The same report is the same bytes. Every
chart has its numbers in a table beneath it, for those who cannot see it or want to copy them.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SerializeAsAny

from j1sdk.component import Value
from j1sdk.errors import MissingExtraError
from j1sdk.evaluation.metrics import Rate
from j1sdk.files import write_text
from j1sdk.report.blocks import (
    KINDS,
    Block,
    Table,
    TranscriptPair,
    Transcripts,
    is_long,
    visible,
    written,
)
from j1sdk.report.charts import Bars, Chart, Curves, Histogram
from j1sdk.report.svg import COLOURS, draw

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "Bars",
    "Block",
    "Chart",
    "Curves",
    "Histogram",
    "Rate",
    "Report",
    "Table",
    "TranscriptPair",
    "Transcripts",
    "write_report",
]

MARKS = {
    "correct": "\u2713 correct",
    "wrong": "\u2717 wrong",
    "tie": "= tie",
    "failed": "! failed",
    "read": "",
}
"""How a transcript is marked: by a sign and a word, since colour alone would not do."""


class Report(Value):
    """A page: what it says in short, then its blocks."""

    title: str
    summary: str
    """Paragraphs, with an empty line between them."""
    blocks: tuple[SerializeAsAny[Block], ...]


def render(report: Report) -> str:
    """The report as HTML. Raises MissingExtraError."""
    environment = _environment()
    from markupsafe import Markup

    template = environment.from_string(
        files("j1sdk.report").joinpath("report.html").read_text(encoding="utf-8")
    )
    return template.render(
        report=report,
        colours=COLOURS,
        marks=MARKS,
        kinds=KINDS,
        draw=lambda chart, prefix, narrow: Markup(draw(chart, prefix, narrow)),
        is_long=is_long,
        written=written,
    )


def write_report(report: Report, path: str | Path) -> None:
    """Write the report as HTML, all of it or none. Raises MissingExtraError."""
    write_text(Path(path), render(report))


def _environment() -> Environment:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    return Environment(
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _shown(value: Any) -> Any:
    """Whatever a template prints, with its unseen characters made visible."""
    return visible(value) if type(value) is str else value
