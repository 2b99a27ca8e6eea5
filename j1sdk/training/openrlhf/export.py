"""The files a run becomes for OpenRLHF: rows, the executor, and what the executor reads.

Prompts are written as the tokenizer's chat template renders them, so OpenRLHF applies none: its
own reading turns a literal `<image>` in a text into an image. A prompt that leaves no room for an
answer is refused here, where OpenRLHF would cut off its beginning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from j1sdk.engines.chat import load_tokenizer, render_chat
from j1sdk.errors import ConfigError
from j1sdk.files import write_text
from j1sdk.judge import JudgeRewardModel
from j1sdk.training.layout import Asker, fitting_tasks, template_options
from j1sdk.types import JudgmentTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
EXECUTOR = """\
# OpenRLHF loads this by --train.agent_func_path, once in every rollout worker.
from openrlhf.utils.agent import AgentExecutorBase

from j1sdk.training.openrlhf.executor import agent_executor

AgentExecutor = agent_executor({run!r}, AgentExecutorBase)
"""


class Exported(NamedTuple):
    """What was written."""

    rows: Path
    executor: Path
    tasks: int
    presentations: int
    """Of each task."""
    context: int
    """Tokens of prompt and completion together: the engine's, or as many as are needed."""


def export(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], folder: Path, described: str,
    drop_long: bool, per_step: int,
) -> Exported:  # fmt: skip
    """Write rows and executor; `described` is the run file. Raises ConfigError."""
    tokenizer = load_tokenizer(str(getattr(judge.engine, "model", "")))
    asked, new = Asker(judge, tokenizer), judge.sampling.max_new_tokens
    context = getattr(judge.engine, "context", None)
    kept = fitting_tasks(judge, asked, tasks, context - new if context else None, drop_long)
    if unknown := sum(task.preferred is None for task in kept):
        raise ConfigError(
            f"{unknown} of {len(kept)} tasks have no preferred response to learn from"
        )
    kept = of_whole_steps(kept, per_step)
    lines = [row(judge, task, tokenizer, asked) for task in kept]
    rows, executor, run = folder / "rows.jsonl", folder / "executor.py", folder / "run.toml"
    write_text(rows, "".join(f"{line}\n" for line in lines))
    write_text(run, described)
    write_text(executor, EXECUTOR.format(run=str(run.absolute())))
    needed = context or max(map(asked.longest, kept)) + new
    return Exported(rows, executor, len(kept), len(judge.presentations(kept[0])), needed)


def of_whole_steps(tasks: list[JudgmentTask], per_step: int) -> list[JudgmentTask]:
    """Without the last tasks that fill no step: OpenRLHF generates for them, but does not train."""
    left = len(tasks) % per_step
    if left == len(tasks):
        raise ConfigError(f"{left} tasks do not fill a step of {per_step}: lower tasks_per_step")
    if left:
        logger.warning("left out %d of %d tasks: they fill no step", left, len(tasks))
    return tasks[: len(tasks) - left]


def row(
    judge: JudgeRewardModel, task: JudgmentTask, tokenizer: PreTrainedTokenizerBase, asked: Asker
) -> str:
    """A row: the first presentation's prompt, and the task for the executor to present."""
    first = judge.presentations(task)[0]
    rendered = render_chat(tokenizer, asked.prompt(first), **template_options(judge))
    return json.dumps(
        {
            "input": rendered,
            "label": task.model_dump_json(),  # a text: Arrow would merge the fields of objects
            "datasource": task.subset or "judge",
        }
    )
