"""Reports with every block, and pages as a reader finds them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

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
)
from j1sdk.types import JudgeResult, Judgment, JudgmentStatus, JudgmentTask, Message, Scores

RATE = Rate(value=0.5, low=0.4, high=0.6)


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
    """The page as a desk shows it; on a phone, each chart is the same once more, and narrower."""
    html = render(Report(title=title, summary=summary, blocks=blocks))
    return Page(re.sub(r'<div class="narrow chart">.*?</div>', "", html, flags=re.DOTALL))


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
