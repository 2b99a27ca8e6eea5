"""The trainer `distill`: a judge's fast reading learns what its thinking came to.

j1 judge judge.toml --data pairs.jsonl --out runs/thought   # or with scaling = { name = "vote" }

[data]
name = "jsonl"
path = "pairs.jsonl"    # the same pairs; labels are not used

[[train]]
name = "distill"
path = "runs/thought"
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from j1sdk.data import Learnt
from j1sdk.errors import DataError
from j1sdk.formats import JudgmentFormat
from j1sdk.judgments import JUDGMENTS_FILE, Transcribed
from j1sdk.scaling.single import Single
from j1sdk.training.layout import Asker, Example
from j1sdk.training.trl import Sft
from j1sdk.types import Judgment, JudgmentTask, Presentation, presentations
from j1sdk_scale.cascade import Cascade

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from j1sdk.run import Run


class Distill(Sft):
    """Supervised fine-tuning of the fast reading, on what the judge's own thinking came to.

    Every verdict that was read, in either order and of every sample, is one example of the fast
    answer in both orders: so labels are as soft as the votes, and free of position bias. Among
    them stand the thoughts themselves, so that thinking is not forgotten.
    """

    name: ClassVar[str] = "distill"
    learns: ClassVar[Learnt] = "tasks"
    path: Path
    """The folder that `j1 judge` wrote, or its judgments.jsonl."""
    fast: dict[str, Any] = {"thinking": "none"}
    """Options of the judge's format for the fast reading, as the cascade has them."""
    keep: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the thoughts that are learnt as well; 0 trains the fast reading alone."""

    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase, out: Path) -> list[Example]:
        own = run.judge.replace(scaling=Single())
        fast = own.replace(format=Cascade(fast=self.fast).fast_format(own.format))
        asked, asked_fast = Asker(own, tokenizer), Asker(fast, tokenizer)
        drawn, rows = random.Random(run.seed), list[Example]()
        for task, judgments in self._judged(self.source(run).load(), own.format):
            for shown, scores in fast_answers(task, judgments):
                rows.append(asked_fast.example(shown, fast.format.write(scores)))
            for judgment in judgments:
                if judgment.ok and drawn.random() < self.keep:
                    shown = Presentation(task=task, order=judgment.order)
                    rows.append(asked.example(shown, judgment.text))
        if not rows:
            raise DataError(f"{self.path} has no verdict that could be read: nothing to learn")
        drawn.shuffle(rows)
        return rows

    def _judged(
        self, tasks: Sequence[JudgmentTask], format: JudgmentFormat
    ) -> Iterator[tuple[JudgmentTask, list[Judgment]]]:
        """Each task with all that was drawn of it; raises DataError where nothing was."""
        file = self.path / JUDGMENTS_FILE if self.path.is_dir() else self.path
        recorded, found = Transcribed(file), False
        for task in tasks:
            orders = [shown.order for shown in presentations(task, format.arity)]
            made = [recorded[task.id, order] for order in orders if (task.id, order) in recorded]
            if judgments := [one for whole in made for one in whole.samples or (whole,)]:
                found = True
                yield task, judgments
        if not found:
            raise DataError(f"{file} has no judgment of these tasks: j1 judge writes them")


def fast_answers(
    task: JudgmentTask, judgments: Sequence[Judgment]
) -> Iterator[tuple[Presentation, tuple[float, ...]]]:
    """In both orders, the scores that each readable judgment with a verdict gave the responses."""
    for judgment in judgments:
        if judgment.ok and judgment.verdict() is not None:
            for shown in presentations(task, arity=2):
                scores = [judgment.score_of(response) for response in shown.order]
                yield shown, tuple(score for score in scores if score is not None)
