"""The trainer `openrlhf-sft`: a judge, from demonstrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from j1sdk.run import Run
from j1sdk.training.layout import Asker
from j1sdk_openrlhf.base import check_single_turn
from j1sdk_openrlhf.deepspeed import DeepSpeedTrainer, Row
from j1sdk_openrlhf.flags import Flags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class OpenRLHFSft(DeepSpeedTrainer):
    """Supervised fine-tuning on a source's demonstrations, on the judge's words only."""

    name: ClassVar[str] = "openrlhf-sft"
    program: ClassVar[str] = "train_sft"
    columns: ClassVar[Flags] = {
        "data.input_key": "prompt",
        "data.output_key": "answer",
        "data.input_template": "{}",  # its default is of another model: "User: {}\nAssistant: "
    }
    learning_rate: float = Field(default=1e-5, gt=0)
    """Of Adam, at its highest."""

    def check(self, run: Run) -> None:
        super().check(run)
        check_single_turn(run, self.name)

    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
        asked = Asker(run.judge, tokenizer)
        for one in self.source(run).demonstrations(run.judge.format, run.seed):
            yield {"prompt": asked.text(one.shown), "answer": asked.reply(one.answer)}
