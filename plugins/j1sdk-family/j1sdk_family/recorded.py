"""Recorded judgments, and what each sample of them was worth by the gold label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from j1sdk.errors import DataError
from j1sdk.judgments import JUDGMENTS_FILE, Key, Transcribed
from j1sdk.types import Judgment, JudgmentStatus, JudgmentTask, Presentation


class Sampled(NamedTuple):
    """How one presentation was judged, as texts."""

    shown: Presentation
    right: list[str]
    wrong: list[str]
    unread: list[str]
    """Those without a verdict that could be read."""

    @property
    def easy(self) -> bool:
        """Whether every sample is right."""
        return bool(self.right) and not self.wrong and not self.unread


def sampled(task: JudgmentTask, judgments: Iterable[Judgment]) -> list[Sampled]:
    """The samples of one task's judgments, by presentation; DataError for a task without gold.

    A pairwise sample is right if it names the preferred response; a tie is wrong. A sample that
    scores one response alone is right if its score is on the right side of the mean score of
    each other response. What an engine failed to write is no sample.
    """
    if task.preferred is None:
        raise DataError(f"task {task.id} has no preferred response, so nothing says who was right")
    drawn = {one.order: one.samples or (one,) for one in judgments}
    means = _means(drawn.values())
    return [_sorted(Presentation(task=task, order=order), drawn[order], means) for order in drawn]


def _sorted(shown: Presentation, samples: Sequence[Judgment], means: dict[int, float]) -> Sampled:
    found = Sampled(shown, [], [], [])
    for sample in samples:
        if sample.ok:
            (found.right if _is_right(sample, shown, means) else found.wrong).append(sample.text)
        elif sample.status is not JudgmentStatus.ENGINE_ERROR:
            found.unread.append(sample.text)
    return found


def _means(drawn: Iterable[Sequence[Judgment]]) -> dict[int, float]:
    """Mean score of each response that was judged by itself."""
    scores: dict[int, list[float]] = defaultdict(list)
    for sample in (one for samples in drawn for one in samples):
        if len(sample.order) == 1 and sample.scores:
            scores[sample.order[0]].append(sample.scores[0])
    return {response: fmean(found) for response, found in scores.items()}


def _is_right(sample: Judgment, shown: Presentation, means: dict[int, float]) -> bool:
    preferred, own = shown.task.preferred, sample.order[0]
    if len(sample.order) > 1:
        return sample.verdict() == preferred
    score = sample.score_of(own) or 0.0
    if own == preferred:
        others = [mean for response, mean in means.items() if response != own]
        return bool(others) and score > max(others)
    return preferred in means and score < means[preferred]


def judgments_by_task(path: Path) -> dict[str, list[Judgment]]:
    """The judgments of a file, or of those somewhere in a folder; raises DataError for none."""
    files = [path] if path.is_file() else sorted(path.rglob(JUDGMENTS_FILE))
    if not files:
        raise DataError(f"cannot read {path}: no judgments are there (j1 judge writes them)")
    found: dict[Key, Judgment] = {}
    for file in files:
        found |= Transcribed(file)
    by_task: dict[str, list[Judgment]] = defaultdict(list)
    for judgment in found.values():
        by_task[judgment.task_id].append(judgment)
    return by_task
