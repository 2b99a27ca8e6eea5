"""The trainer `openrlhf-dpo`: a judge, from judgments of which one is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from j1sdk.run import Run
from j1sdk.training.layout import Asker
from j1sdk_openrlhf.base import check_single_turn
from j1sdk_openrlhf.deepspeed import DeepSpeedTrainer, Row, Texts
from j1sdk_openrlhf.flags import Flags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OpenRLHFDpo(DeepSpeedTrainer):
    """DPO (arXiv 2305.18290) on a source's preferences between judgments."""

    name: ClassVar[str] = "openrlhf-dpo"
    program: ClassVar[str] = "train_dpo"
    spelled: ClassVar[dict[str, str]] = DeepSpeedTrainer.spelled | {
        "beta": "model.beta",
        "nll": "model.nll_loss_coef",
    }
    columns: ClassVar[Flags] = {
        "data.prompt_key": "prompt",
        "data.chosen_key": "chosen",
        "data.rejected_key": "rejected",
    }
    learning_rate: float = Field(default=5e-7, gt=0)
    """Of Adam, at its highest."""
    beta: float = Field(default=0.1, gt=0)
    """How strongly the policy is held to the reference model (DPO's beta)."""
    nll: float = Field(default=0.1, ge=0)
    """Weight of the chosen text's own negative log-likelihood."""

    def check(self, run: Run) -> None:
        super().check(run)
        check_single_turn(run, self.name)

    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
        asked = Asker(run.judge, tokenizer)
        for one in self.source(run).preferences(run.judge.format, run.seed):
            yield {
                "prompt": asked.text(one.shown),
                "chosen": asked.reply(one.chosen),
                "rejected": asked.reply(one.rejected),
            }

    def flags(self, texts: Texts) -> Flags:
        return {
            **super().flags(texts),
            "ref.model_name_or_path": texts.model,
            "model.beta": self.beta,
            "model.nll_loss_coef": self.nll,
        }
