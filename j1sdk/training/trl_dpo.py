"""Preference training of a judge on one machine: DPO by TRL, on whole judgments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from j1sdk.data import Learnt
from j1sdk.run import Run
from j1sdk.training.layout import Asker, context_of, fitting
from j1sdk.training.trl import TrlTrainer, configured

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Dpo(TrlTrainer):
    """DPO (arXiv 2305.18290) on a source's preferences; the reference is the judge it starts from.

    With `nll` it is DPO+NLL, as EvalPlanner and the Self-Taught Evaluator are trained: the mean
    loss per token of the chosen judgments is added, which keeps their likelihood from falling
    along with the rejected ones'.
    """

    name: ClassVar[str] = "dpo"
    learns: ClassVar[Learnt] = "preferences"
    learning_rate: float = Field(default=5e-7, gt=0)
    """Of AdamW, at its highest."""
    batch_size: int = Field(default=16, ge=1)
    """Preferences per forward pass and process, two judgments each."""
    beta: float = Field(default=0.1, gt=0)
    """How strongly the judge is held to the model it started from (DPO's beta)."""
    nll: float = Field(default=0.0, ge=0)
    """Weight of the chosen judgments' loss beside that of the preferences."""

    def build(
        self, run: Run, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path
    ) -> Any:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        class ByTokens(DPOTrainer):  # type: ignore[misc]
            """Takes an engine's tokens as they are; TRL would render and split texts anew."""

            def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
                return dataset

        asked = Asker(run.judge, tokenizer)
        taught = self.lessons(run, out).preferences(run.judge.format, run.seed)
        rows = [asked.preference(one.shown, one.chosen, one.rejected) for one in taught]
        sizes = [
            len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"]))
            for row in rows
        ]
        kept = fitting(rows, sizes, context_of(run.judge, model), self.drop_long)
        settings = self.arguments(run, out) | self.loss | self.length | self.options
        return ByTokens(
            model=model,
            args=configured(DPOConfig, settings),
            processing_class=tokenizer,
            peft_config=self.peft(),
            train_dataset=Dataset.from_list(kept),
        )

    @property
    def loss(self) -> dict[str, Any]:
        """The loss in TRL's words. Nothing is cut to a length of its own: `fitting` refuses it."""
        both = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, self.nll]}
        settings = {
            "per_device_train_batch_size": self.batch_size,
            "beta": self.beta,
            "max_length": None,
        }
        return settings | (both if self.nll else {})
