"""The trainer `openrlhf-rm`: a scalar reward model, from the pairs a judge would be trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from j1sdk.engines.chat import render_chat
from j1sdk.engines.replies import reply_form
from j1sdk.errors import DataError
from j1sdk.quoting import breakable, quote_presentation
from j1sdk.run import Run
from j1sdk.training.layout import template_options
from j1sdk.types import JudgmentTask, Presentation
from j1sdk_openrlhf.deepspeed import DeepSpeedTrainer, Row, Texts
from j1sdk_openrlhf.flags import Flags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OpenRLHFRewardModel(DeepSpeedTrainer):
    """A Bradley-Terry reward model that begins as the judge's model, and is the judge's control.

    It reads a policy's prompt and response, by the same chat template. What it leaves is no judge:
    `--reward.model_name_or_path` takes it.
    """

    name: ClassVar[str] = "openrlhf-rm"
    program: ClassVar[str] = "train_rm"
    leaves: ClassVar[str] = "reward-model"
    columns: ClassVar[Flags] = {"data.chosen_key": "chosen", "data.rejected_key": "rejected"}
    learning_rate: float = Field(default=9e-6, gt=0)
    """Of Adam, at its highest."""

    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
        # not all reserved tokens: a policy that thinks writes its tags for thinking as tokens
        options = template_options(run.judge)
        special, end = breakable(tokenizer.all_special_tokens), reply_form(tokenizer, options).end
        for task in self.source(run).load():
            order = tuple(range(len(task.responses)))
            quoted = quote_presentation(Presentation(task=task, order=order), special).task
            prompt = render_chat(tokenizer, quoted.prompt, **options)
            texts = [prompt + response + end for response in quoted.responses]
            for chosen, rejected in pairs(task):
                yield {"chosen": texts[chosen], "rejected": texts[rejected]}

    def flags(self, texts: Texts) -> Flags:
        """Rewards are normalized by a hundredth of the rows; of fewer than 100 that is none."""
        few = {"eval.dataset": str(texts.path)} if texts.rows < 100 else {}
        return {**super().flags(texts), **few}


def pairs(task: JudgmentTask) -> Iterator[tuple[int, int]]:
    """Indices of a preferred response and of each that is not; raises DataError without gold."""
    if task.preferred is None:
        raise DataError(f"task {task.id} has no preferred response to learn from")
    for index in range(len(task.responses)):
        if index != task.preferred:
            yield task.preferred, index
