"""A task as text: what a reader checks a file's interpretation by."""

from __future__ import annotations

from collections.abc import Iterator

from j1sdk.types import JudgmentTask

MOST = 300
"""Characters of each text."""


def task_lines(task: JudgmentTask) -> Iterator[str]:
    """The task's id, its turns, its responses with what the label says, and what else there is."""
    yield f"task {task.id}" + (f", subset {task.subset}" if task.subset else "")
    for message in task.prompt:
        yield f"  {message.role}: {shortened(message.content)}"
    for place, response in enumerate(task.responses):
        yield f"  response {place}{label_of(task, place)}: {shortened(response)}"
    if task.reference is not None:
        yield f"  reference: {shortened(task.reference)}"
    if not task.golds:
        yield "  no label"


def label_of(task: JudgmentTask, place: int) -> str:
    """What the label says of one response."""
    rated = f"rated {task.ratings[place]:g}" if task.ratings else ""
    verdict = "tied" if task.tied else "preferred" if place in task.golds else ""
    said = ", ".join(filter(None, (verdict, rated)))
    return f" ({said})" if said else ""


def shortened(text: str) -> str:
    """The text on one line, its beginning and end where it is long; what is cut is counted."""
    line = repr(text)[1:-1]
    if len(line) <= MOST:
        return line
    half = MOST // 2
    return f"{line[:half]} [... {len(line) - 2 * half} characters ...] {line[-half:]}"
