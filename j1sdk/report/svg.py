"""A chart as an SVG element of a page that sets its colours and font.

matplotlib draws with the colours of the light theme; each is then replaced by the page's variable
of that name, so one drawing serves light, dark and print. Text stays text.
"""

from __future__ import annotations

import io
import warnings
from typing import Any, NamedTuple
from xml.etree import ElementTree

from j1sdk.errors import MissingExtraError
from j1sdk.report.charts import INK, MUTED, RULE, SERIES, Chart


class Colour(NamedTuple):
    """One colour in both themes."""

    light: str
    dark: str


_DARK = ("#56a9e0", "#ee8a45", "#35bd94", "#dd93ba", "#f0b93f", "#8ecdf3")
COLOURS = {
    "ink": Colour(INK, "#e8e9eb"),
    "muted": Colour(MUTED, "#a3a8b0"),
    "rule": Colour(RULE, "#3a3d42"),
    **{
        f"series-{place}": Colour(*both)
        for place, both in enumerate(zip(SERIES, _DARK, strict=True))
    },
}
"""The page's colour variables."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "j1sdk",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.left": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.prop_cycle": f"cycler(color=['{INK}'])",  # of what no chart gives a colour
    "grid.color": RULE,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
_SIZE, _NARROW = (11.9, 4.6), (5.2, 4.4)
"""In inches of 72 points, so that at its natural size a point is a pixel of the page: of a desk's,
and of a phone's."""


def draw(chart: Chart, prefix: str, narrow: bool) -> str:
    """The chart as an SVG element, whose ids begin with `prefix`. Raises MissingExtraError."""
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    drawn = io.StringIO()
    font = {"font.size": 10 if narrow else 13}
    with style.context(["default", _STYLE, font]), warnings.catch_warnings():
        # the reader's font has the glyph; only this measurement of its width does not
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=_NARROW if narrow else _SIZE, layout="constrained")
        axes = figure.add_subplot()
        chart.draw(axes)
        if len(axes.get_legend_handles_labels()[0]) > 1:
            figure.legend(loc="outside upper left", ncols=2 if narrow else 4)
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    return _themed(ElementTree.fromstring(drawn.getvalue()), prefix)


def _themed(root: ElementTree.Element, prefix: str) -> str:
    """The drawing with the page's colours, unique ids, and nothing that reaches beyond it."""
    for child in list(root):
        if child.tag.endswith("}metadata") or child.find("{*}style") is not None:
            root.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        attributes = {_local(name): value for name, value in element.attrib.items()}
        element.attrib = {name: _owned(name, value, prefix) for name, value in attributes.items()}
    root.attrib = {"viewBox": root.attrib["viewBox"], "aria-hidden": "true"}
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _owned(name: str, value: str, prefix: str) -> str:
    """An attribute's value with the page's variables for colours, and ids of its own."""
    if name == "id":
        return prefix + value
    if name == "href":
        return value.replace("#", f"#{prefix}", 1)
    for variable, colour in COLOURS.items():
        value = value.replace(colour.light, f"var(--{variable})")
    return value.replace("url(#", f"url(#{prefix}")
