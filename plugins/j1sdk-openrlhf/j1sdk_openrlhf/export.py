"""The files a run becomes for OpenRLHF: rows, and the executor.

Prompts are written as the tokenizer's chat template renders them, so OpenRLHF applies none: its
own reading turns a literal `<image>` in a text into an image. A prompt that leaves no room for an
answer is refused here, where OpenRLHF would cut off its beginning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from j1sdk.engines.chat import load_tokenizer
from j1sdk.errors import ConfigError
from j1sdk.files import write_text
from j1sdk.training.layout import Asker, context_limit, fitting, fitting_tasks
from j1sdk.training.multitask import Assignment, Part, check_alike
from j1sdk.types import JudgmentTask
from j1sdk_openrlhf.agent import AGENT
from j1sdk_openrlhf.base import RUN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
EXECUTOR = "j1sdk_openrlhf.executor"


class Exported(NamedTuple):
    """What was written."""

    rows: Path
    executor: Path
    total: int
    """Rows."""
    presentations: int
    """Of each row."""
    context: int
    """Tokens of prompt and completion together: the engine's, or as many as are needed."""


def export(
    parts: Sequence[Part],
    tasks: Sequence[JudgmentTask],
    model: str,
    folder: Path,
    drop_long: bool,
    per_step: int,
) -> Exported:
    """Write rows and executor into the folder, where the run file is. Raises ConfigError."""
    judge = parts[0].judge
    tokenizer = load_tokenizer(model)
    askers, new = [Asker(part.judge, tokenizer) for part in parts], judge.sampling.max_new_tokens
    context = context_limit(judge)
    kept = fitting_tasks(askers, tasks, context - new if context else None, drop_long)
    if unknown := sum(task.preferred is None for task in kept):
        raise ConfigError(
            f"{unknown} of {len(kept)} tasks have no preferred response to learn from"
        )
    kept = of_whole_steps(kept, per_step)
    check_alike(shown := [len(part.judge.presentations(kept[0])) for part in parts])
    rows, executor = folder / "rows.jsonl", folder / "executor.py"
    write_lines(rows, made := [row(n, task, askers) for task in kept for n in range(len(parts))])
    write_text(executor, AGENT.format(module=EXECUTOR, run=str(folder.absolute() / RUN)))
    needed = context or max(asked.longest(task) for asked in askers for task in kept) + new
    return Exported(rows, executor, len(made), shown[0], needed)


def of_whole_steps(items: list[Item], per_step: int, what: str = "tasks") -> list[Item]:
    """Without the last items that fill no step: OpenRLHF generates for them, but does not train."""
    left = len(items) % per_step
    if left == len(items):
        raise ConfigError(f"{left} {what} do not fill a step of {per_step}: lower {what}_per_step")
    if left:
        logger.warning("left out %d of %d %s: they fill no step", left, len(items), what)
    return items[: len(items) - left]


def row(part: int, task: JudgmentTask, askers: Sequence[Asker]) -> dict[str, str]:
    """A row: the first presentation's prompt, and the task for the executor to present."""
    asked, told = askers[part], Assignment(part=part, task=task)
    return {
        "input": asked.text(asked.judge.presentations(task)[0]),
        "label": told.model_dump_json(),  # a text: Arrow would merge the fields of objects
        "datasource": task.subset or "judge",
    }


def write_texts(
    rows: Sequence[dict[str, str]],
    tokenizer: PreTrainedTokenizerBase,
    path: Path,
    context: int | None,
    drop_long: bool,
) -> tuple[int, int]:
    """Write rows of whole texts, and return how many fit and the tokens of the longest.

    A `prompt` goes before each of a row's other texts. Raises ConfigError.
    """
    sizes = [longest_text(row, tokenizer) for row in rows]
    room = max(sizes, default=0) if context is None else context
    write_lines(path, kept := fitting(rows, sizes, room, drop_long))
    return len(kept), max((size for size in sizes if size <= room), default=0)


def longest_text(row: dict[str, str], tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens of the longest text of a row."""
    prompt = row.get("prompt", "")
    texts = [prompt + text for column, text in row.items() if column != "prompt"]
    return max(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    write_text(path, "".join(f"{json.dumps(row)}\n" for row in rows))
