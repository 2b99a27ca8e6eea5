"""The pages of `j1 view`, in the look of all reports."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from j1sdk.errors import DataError
from j1sdk.report import Block, Report, Table, TranscriptPair, Transcripts, render
from j1sdk.report.training import training_blocks
from j1sdk_view.following import Following, Shown

REPORT, LOG, JUDGMENTS = "report.html", "log.json", "judgments.jsonl"
KINDS = {REPORT: "report", LOG: "training", JUDGMENTS: "judgments"}
LIVELY = 60.0
"""Seconds since its last change for which a file counts as going on."""
REFRESH = 5
TRANSCRIPTS = 20
"""Pairs of judgments on a page."""
KEYS = """<script>
const all = () => [...document.querySelectorAll("article")];
const at = () => all().findIndex((one) => one.getBoundingClientRect().bottom > 10);
const go = (by) => { const one = all()[Math.max(at() + by, 0)]; if (one) one.scrollIntoView(); };
const told = JSON.parse(document.getElementById("told").textContent);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j") go(1);
  if (event.key === "k") go(-1);
  if (event.key === "c" && told[at()])
    navigator.clipboard.writeText(JSON.stringify(told[at()], null, 2));
});
</script>"""


class Found(NamedTuple):
    """A file that a run wrote."""

    name: str
    """Its place below the folder."""
    kind: str
    changed: float
    size: int

    @property
    def going_on(self) -> bool:
        return time.time() - self.changed < LIVELY and self.kind != "report"


def found_in(folder: Path) -> list[Found]:
    """What there is below a folder, the latest first."""
    paths = [path for name in KINDS for path in folder.rglob(name)]
    stats = [(path, path.stat()) for path in paths if path.is_file()]
    made = [
        Found(path.relative_to(folder).as_posix(), KINDS[path.name], stat.st_mtime, stat.st_size)
        for path, stat in stats
    ]
    return sorted(made, key=lambda one: -one.changed)


def overview(folder: Path) -> str:
    """The page of everything."""
    found = found_in(folder)
    rows = "".join(
        f'<tr><th scope="row"><a href="/{quote(one.name)}">{escape(one.name)}</a></th>'
        f"<td>{one.kind}</td><td>{ago(one.changed)}{', going on' * one.going_on}</td>"
        f'<td class="number">{one.size:,}</td></tr>'
        for one in found
    )
    empty = "" if found else "<p>Nothing has been written here yet.</p>"
    head = "<tr><th>file</th><th>what</th><th>changed</th><th>bytes</th></tr>"
    page = render(Report(title=f"Runs in {folder.name or folder}", summary="", blocks=()))
    body = f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    return living(page.replace("</main>", f"{body}{empty}</main>"), any(o.going_on for o in found))


def ago(moment: float) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(time.time() - moment, 0)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def living(page: str, going_on: bool) -> str:
    """The page, loaded anew by itself while what it shows is going on; with the way back."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">' if going_on else ""
    back = '<nav><p><a href="/">All runs</a></p></nav>'
    return page.replace("</head>", f"{refresh}</head>").replace("<main>", f"<main>{back}")


def training_page(path: Path, going_on: bool) -> str:
    """The curves of a training as far as it is. Raises DataError."""
    try:
        history: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        blocks = tuple(_phases(history))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(f"{path} is no log of a training: {error}") from error
    step = max((entry.get("step", 0) for entry in history), default=0)
    title = f"Training in {path.parent.name}"
    return living(render(Report(title=title, summary=f"Step {step}.", blocks=blocks)), going_on)


def _phases(history: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    for phase in dict.fromkeys(entry.get("phase", "") for entry in history):
        for block in training_blocks([one for one in history if one.get("phase", "") == phase]):
            yield block.replace(title=f"{phase}: {block.title}") if phase else block


def judgments_page(file: Following, outcome: str, unsure: bool, going_on: bool) -> str:
    """How the judgments ended so far, and the latest of them word for word."""
    file.look()
    table = Table(
        title="How judgments ended",
        header=("", "judgments"),
        rows=tuple(file.counts.most_common()),
    )
    shown = file.latest(outcome)
    if unsure:
        known = [one for one in shown if one.record.first is not None]
        shown = sorted(known, key=lambda one: abs((one.record.first or 0) - 0.5))
    tasks = list(dict.fromkeys(one.record.id for one in shown))[:TRANSCRIPTS]
    groups = [_of_task(task, [*shown, *file.latest()]) for task in tasks]
    title = "The least sure" if unsure else "The latest"
    blocks: tuple[Block, ...] = (table,)
    if groups:
        pairs = tuple(map(_pair, groups))
        blocks += (Transcripts(title=f"{title}{f', {outcome}' * bool(outcome)}", pairs=pairs),)
    summary = f"{file.counts.total():,} judgments so far."
    page = render(
        Report(title=f"Judgments in {file.path.parent.name}", summary=summary, blocks=blocks)
    )
    told = [json.loads(one.judgment.model_dump_json()) for group in groups for one in group[:1]]
    data = json.dumps(told).replace("<", "\\u003c")
    script = f'<script type="application/json" id="told">{data}</script>{KEYS}'
    page = page.replace("<h2", f"{filters(file, outcome, unsure)}<h2", 1)
    return living(page.replace("</body>", f"{script}</body>"), going_on)


def filters(file: Following, outcome: str, unsure: bool) -> str:
    """Links to the judgments of each outcome, and to those nearest to one half."""
    choices: dict[str, dict[str, str]] = {"all": {}}
    choices |= {name: {"outcome": name} for name in sorted(file.counts)}
    if any(one.record.first is not None for one in file.latest()):
        choices |= {"least sure": {"unsure": "1"}}
    now = "least sure" if unsure else outcome or "all"
    links = (
        f"<strong>{escape(name)}</strong>"
        if name == now
        else f'<a href="?{urlencode(query)}">{escape(name)}</a>'
        for name, query in choices.items()
    )
    keys = "Keys: j and k for the next and the previous, c to copy."
    return f"<nav><p>Show: {' | '.join(links)}. {keys}</p></nav>"


def _of_task(task: str, shown: Sequence[Shown]) -> list[Shown]:
    """A task's judgments, one of each order, as given and then swapped."""
    orders = {one.record.order: one for one in reversed(shown) if one.record.id == task}
    return [orders[order] for order in sorted(orders)]


def _pair(group: Sequence[Shown]) -> TranscriptPair:
    left, right = group[0], group[1] if group[1:] else None
    golds = left.record.golds
    return TranscriptPair(
        heading=f"Task {left.record.id}",
        left=left.judgment,
        right=right.judgment if right else None,
        preferred=golds[0] if len(golds) == 1 else None,
    )
