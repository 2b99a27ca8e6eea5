"""A judge trained by verifiers, and by prime-rl through it: a taskset of the judge's prompts.

    [env.taskset]
    id = "j1sdk-verifiers"
    folder = "conf"

verifiers scores one rollout at a time and knows no siblings: rewards over both orders are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from j1sdk.adapters import Instructions
from j1sdk.engines.chat import load_tokenizer, messages
from j1sdk.engines.replies import ReplyForm, reply_form
from j1sdk.errors import DataError
from j1sdk.training.exports import (
    ROWS_FILE,
    RUN_FILE,
    Export,
    Grade,
    LaidOut,
    OneByOneGrader,
    PromptRow,
    RolloutLabel,
    open_grader,
)
from j1sdk.training.layout import template_options
from j1sdk.types import Completion

PASTE = """\
[env.taskset]
id = "j1sdk-verifiers"
folder = {folder}"""


class Verifiers(Export):
    """GRPO of a judge in prime-rl, or whatever trains on verifiers' environments."""

    name: ClassVar[str] = "verifiers"
    title: ClassVar[str] = "verifiers"
    tested: ClassVar[str] = "0.4.0"
    scopes: ClassVar[frozenset[str]] = frozenset({"judgment"})

    def instructions(self, made: LaidOut, folder: Path) -> Instructions:
        return Instructions(
            where="the environment's configuration (TOML)",
            paste=PASTE.format(folder=json.dumps(str(folder))),
            files={ROWS_FILE: "".join(map(line, made.rows))},
            remarks=[
                "Both orders of a pair stand side by side; nothing is lost if they are shuffled.",
                "What samples is set where verifiers is run:"
                f" {made.train.rollouts} rollouts of each prompt, at temperature"
                f" {made.train.temperature:g}, of at most {made.judge.sampling.max_new_tokens}"
                " tokens.",
            ],
        )


def line(row: PromptRow) -> str:
    """A line of the taskset's data."""
    return json.dumps({"prompt": messages(row.prompt), "label": row.label.model_dump_json()}) + "\n"


def read_lines(folder: str) -> Iterator[dict[str, Any]]:
    """The lines that were exported; raises DataError."""
    path = Path(folder, ROWS_FILE)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}. Write it with `j1 export RUN_FILE --for"
            " verifiers --to DIR`, and set `folder` of the taskset to DIR"
        ) from error
    return map(json.loads, text.splitlines())


class Judging(NamedTuple):
    """What reads and grades the rollouts of a folder."""

    grader: OneByOneGrader
    form: ReplyForm
    """What the model's template opens of an answer."""

    async def grade(self, label: str, trace: Any) -> Grade:
        """The grade of a rollout."""
        return await self.grader.grade(RolloutLabel.model_validate_json(label), self.written(trace))

    def written(self, trace: Any) -> Completion:
        """What the judge wrote in a rollout, with the thinking that a server parsed away."""
        message = trace.assistant_messages[-1]
        thinking, text, opened = message.reasoning_content, message.content or "", self.form.opened
        if thinking:
            opened, text = "", f"<think>{thinking}" + (f"</think>{text}" if text else "")
        ended: Literal["stop", "length"] = "length" if trace.is_truncated else "stop"
        return Completion(text=text, finish_reason=ended, opened=opened)


@cache
def judging(folder: str) -> Judging:
    """The one of a folder; raises ConfigError."""
    grader = open_grader(Path(folder, RUN_FILE), rollouts=1, wait=0)
    local = grader.judge.engine.local
    assert local is not None  # it was exported
    return Judging(grader, reply_form(load_tokenizer(local.model), template_options(grader.judge)))
