"""From tasks to what a trainer samples from: prompts, in batches that keep siblings together."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from j1sdk.deliberation import question
from j1sdk.engines.chat import encode_chat, messages, render_chat, reserved_tokens
from j1sdk.engines.replies import as_ids, reply_form
from j1sdk.errors import ConfigError
from j1sdk.judge import JudgeRewardModel
from j1sdk.types import Completion, Conversation, JudgmentTask, Presentation

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Example = dict[str, list[int]]
"""Token ids of one example, by the names TRL has for them: `input_ids` and `labels`, for SFT."""


class Asker:
    """What a judge is asked, with the tokenizer at hand."""

    def __init__(self, judge: JudgeRewardModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.judge, self._tokenizer = judge, tokenizer
        self._reserved, self._options = reserved_tokens(tokenizer), template_options(judge)

    def prompt(self, shown: Presentation) -> Conversation:
        """The judge's prompt, with everything in it quoted."""
        return question(self.judge.format, shown, self._reserved)

    def text(self, shown: Presentation) -> str:
        """The prompt as the chat template has it: what the judge's model completes."""
        return render_chat(self._tokenizer, self.prompt(shown), **self._options)

    def reply(self, answer: str) -> str:
        """What the model is to write behind the prompt to have given this answer, and its end."""
        form = reply_form(self._tokenizer, self._options)
        return form.reply(answer) + form.end

    def tokens(self, shown: Presentation) -> list[int]:
        """Token ids of the prompt."""
        return list(self._tokenizer(self.text(shown), add_special_tokens=False)["input_ids"])

    def size(self, shown: Presentation) -> int:
        """Tokens of the prompt."""
        return len(self.tokens(shown))

    def longest(self, task: JudgmentTask) -> int:
        """Tokens of the longest prompt that a task makes."""
        return max(map(self.size, self.judge.presentations(task)))

    def example(self, shown: Presentation, answer: str) -> Example:
        """One example for supervised fine-tuning."""
        return example_tokens(self._tokenizer, self.prompt(shown), answer, **self._options)

    def preference(self, shown: Presentation, chosen: str, rejected: str) -> Example:
        """One example for preference training, by the names TRL has for its parts."""
        return {
            "prompt_ids": self.tokens(shown),
            "chosen_ids": answer_tokens(self._tokenizer, chosen, **self._options),
            "rejected_ids": answer_tokens(self._tokenizer, rejected, **self._options),
        }


def dataset(prompts: Sequence[Conversation], per_visit: int) -> Dataset:
    """What TRL samples from; `row` and `visit` lead a completion back to its task."""
    from datasets import Dataset

    rows = list(range(len(prompts)))
    columns = {
        "prompt": list(map(messages, prompts)),
        "row": rows,
        "visit": [row // per_visit for row in rows],
    }
    return Dataset.from_dict(columns)


def template_options(judge: JudgeRewardModel) -> dict[str, Any]:
    """Extra variables for the chat template, from the judge's engine."""
    local = judge.engine.local
    return dict(local.template_options) if local else {}


def context_of(judge: JudgeRewardModel, model: PreTrainedModel) -> int:
    """Tokens of prompt and completion that fit together."""
    own = context_limit(judge)
    return int(own or getattr(model.config, "max_position_embeddings", None) or 4096)


def context_limit(judge: JudgeRewardModel) -> int | None:
    """The context that the judge's engine is given, if it is given one."""
    return judge.engine.local.context if judge.engine.local else None


def fitting(items: Sequence[Item], sizes: Sequence[int], room: int, drop: bool) -> list[Item]:
    """The items whose size fits; raises ConfigError for others, or leaves them out and says so."""
    long = [size for size in sizes if size > room]
    if long and not drop:
        raise ConfigError(
            f"{len(long)} of {len(items)} examples do not fit: the longest has {max(long)} tokens,"
            f" and there is room for {room}. Set drop_long = true to leave them out, or use a"
            " model with a longer context"
        )
    if long:
        logger.warning("left out %d of %d examples as too long", len(long), len(items))
    return [item for item, size in zip(items, sizes, strict=True) if size <= room]


def fitting_tasks(
    askers: Sequence[Asker], tasks: Sequence[JudgmentTask], room: int | None, drop: bool
) -> list[JudgmentTask]:
    """Tasks whose prompts all fit the room, if there is a limit; raises ConfigError, as `fitting`.

    Each judge shows all of them in as many presentations, or they cannot share a batch.
    """
    sizes = [max(asked.longest(task) for asked in askers) for task in tasks]
    kept = fitting(tasks, sizes, max(sizes, default=0) if room is None else room, drop)
    if any(len({len(asked.judge.presentations(task)) for task in kept}) > 1 for asked in askers):
        raise ConfigError("tasks with different numbers of responses cannot share a batch")
    return kept


def check_batch_shape(config: Any, per_visit: int) -> None:
    """Raise ConfigError unless every process's share of a batch holds whole tasks."""
    share = config.per_device_train_batch_size * config.steps_per_generation
    needed = per_visit * config.num_generations
    if share % needed or config.shuffle_dataset:
        raise ConfigError(
            f"each process would get {share} completions at a time, but a task has {per_visit}"
            f" presentations x {config.num_generations} rollouts = {needed} that must stay together"
            " (and shuffle_dataset must be off): change tasks_per_step, rollouts or the options"
        )


def shuffled(tasks: Sequence[JudgmentTask], seed: int) -> Iterator[JudgmentTask]:
    """The tasks again and again, each time in another order."""
    generator = random.Random(seed)
    while True:
        yield from generator.sample(tasks, len(tasks))


def decode(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], **template_options: Any
) -> Completion:
    """A sampled completion as an engine would have returned it.

    What follows the first token that ends a turn is padding.
    """
    form = reply_form(tokenizer, template_options)
    used, ended = form.cut(ids)
    return Completion(
        text=str(tokenizer.decode(used, skip_special_tokens=False)),
        finish_reason="stop" if ended else "length",
        completion_tokens=len(used) + (len(form.end_ids) if ended else 0),
        opened=form.opened,
    )


def end_turns(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, **template_options: Any
) -> None:
    """Have the model stop, while it is trained and after, at what ends a turn by its template."""
    current = as_ids(model.generation_config.eos_token_id)
    ends = reply_form(tokenizer, template_options).ends
    if not ends <= current:
        model.generation_config.eos_token_id = sorted(ends | current)


def example_tokens(
    tokenizer: PreTrainedTokenizerBase, asked: Conversation, answer: str, **template_options: Any
) -> Example:
    """Token ids and labels of one example, up to and with the end of the turn."""
    prompt = encode_chat(tokenizer, asked, **template_options)
    written = answer_tokens(tokenizer, answer, **template_options)
    return {"input_ids": prompt + written, "labels": [-100] * len(prompt) + written}


def answer_tokens(
    tokenizer: PreTrainedTokenizerBase, answer: str, **template_options: Any
) -> list[int]:
    """Token ids of what a judge writes, with the end of the turn."""
    form = reply_form(tokenizer, template_options)
    written = tokenizer(form.reply(answer), add_special_tokens=False)["input_ids"]
    return [*written, *form.end_ids]
