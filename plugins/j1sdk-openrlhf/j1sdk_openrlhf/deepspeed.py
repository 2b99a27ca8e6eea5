"""OpenRLHF's programs that sample nothing: DeepSpeed alone, on texts that are written before.

Texts are whole: rendered by the tokenizer's chat template here, ended by its end-of-turn token, and
left as they are there. OpenRLHF's own rendering turns a literal `<image>` into an image, and takes
for the answer whatever the template puts behind a prompt.
"""

from __future__ import annotations

import os
import socket
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import Field, model_validator

from j1sdk.engines.chat import load_tokenizer
from j1sdk.errors import ConfigError
from j1sdk.run import Run
from j1sdk.training.layout import context_limit
from j1sdk_openrlhf.base import OpenRLHFTrainer, Written, model_of
from j1sdk_openrlhf.cluster import Nodes
from j1sdk_openrlhf.flags import Flags, Version, words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


Row = dict[str, str]
"""A text by its column: `prompt`, if there is one, goes before each of the others."""
SPARE = 3
"""OpenRLHF leaves out a prompt that comes within two tokens of its limit."""


class Texts(NamedTuple):
    """What is trained, and on what."""

    model: str
    path: Path
    rows: int
    longest: int
    """Tokens of the longest text."""


class Machines(Nodes):
    """Machines with a process for each GPU, started by DeepSpeed."""

    hostfile: str | None = None
    """The list of nodes, a line for each: `node-0 slots=8`. One node needs none."""

    @model_validator(mode="after")
    def _check_hostfile(self) -> Machines:
        if self.nodes > 1 and not self.hostfile:
            raise ValueError(f"{self.nodes} nodes need a hostfile that names them")
        return self

    def flags(self) -> Flags:
        """What DeepSpeed's launcher is told. Raises ConfigError for GPUs that cannot be seen."""
        if self.hostfile:
            sizes = {"num_nodes": self.nodes, "num_gpus": self.gpus_per_node}
            return {"hostfile": self.hostfile, **sizes}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if not visible:
            return {"num_gpus": self.gpus_per_node}
        chosen = visible.split(",")[: self.gpus_per_node]
        if len(chosen) < self.gpus_per_node:
            raise ConfigError(
                f"gpus_per_node is {self.gpus_per_node}, but CUDA_VISIBLE_DEVICES is {visible}"
            )
        return {"include": f"localhost:{','.join(chosen)}"}  # with num_gpus it would be ignored


class DeepSpeedTrainer(OpenRLHFTrainer):
    """A program that trains on texts."""

    spelled: ClassVar[dict[str, str]] = OpenRLHFTrainer.spelled | {
        "learning_rate": "adam.lr",
        "batch_size": "train.batch_size",
        "micro_batch": "train.micro_batch_size",
        "epochs": "train.max_epochs",
    }
    columns: ClassVar[Flags]
    """The options that name a row's columns."""
    learning_rate: float = Field(gt=0)
    """Of Adam, at its highest."""
    batch_size: int = Field(default=64, ge=1)
    """Rows of a step."""
    micro_batch: int = Field(default=1, ge=1)
    """Rows that a GPU has in hand."""
    epochs: int = Field(default=1, ge=1)
    """Times that every row is seen."""
    cluster: Machines = Machines()
    """The machines to train on."""

    @model_validator(mode="after")
    def _check_batch(self) -> DeepSpeedTrainer:
        """DeepSpeed would say so too, but only once it runs."""
        at_once = self.micro_batch * self.cluster.gpus
        if self.batch_size % at_once:
            raise ValueError(
                f"batch_size is {self.batch_size}, but {self.cluster.gpus} GPUs take {at_once} rows"
                f" at once: use a multiple of {at_once}"
            )
        return self

    @abstractmethod
    def rows(self, run: Run, tokenizer: PreTrainedTokenizerBase) -> Iterator[Row]:
        """What is trained on, whole texts; raises DataError."""

    def start(self, python: str | None = None) -> list[str]:
        runner = [python, "-m", "deepspeed.launcher.runner"] if python else ["deepspeed"]
        flags = self.cluster.flags()
        if python and not self.cluster.hostfile:
            flags["master_port"] = free_port()  # or two runs on one machine would meet
        return [*runner, *words(flags), "--module", f"openrlhf.cli.{self.program}"]

    def write(self, run: Run, folder: Path, version: Version) -> Written:
        from j1sdk_openrlhf.export import write_texts

        model, path = model_of(run, self.name), folder / "rows.jsonl"
        tokenizer = load_tokenizer(model)
        context = context_limit(run.judge)
        rows = list(self.rows(run, tokenizer))
        kept, longest = write_texts(rows, tokenizer, path, context, self.drop_long)
        steps = kept * self.epochs // self.batch_size
        if not steps:
            raise ConfigError(f"{kept} rows do not fill a step of {self.batch_size}: lower it")
        return Written(self.flags(Texts(model, path, kept, longest)), steps)

    def flags(self, texts: Texts) -> Flags:
        """All options of the program but those that every program has."""
        return {
            "model.model_name_or_path": texts.model,
            "data.dataset": str(texts.path),
            **self.columns,
            "data.max_len": texts.longest + SPARE,
            "eval.split": "train",  # what a file is, where `options` name one
            "train.batch_size": self.batch_size,
            "train.micro_batch_size": self.micro_batch,
            "train.max_epochs": self.epochs,
            "adam.lr": self.learning_rate,
            "ds.zero_stage": self.cluster.zero_stage,
            "ds.adam_offload": self.cluster.offload,
            "ds.packing_samples": self.cluster.packing,
            "ds.attn_implementation": self.cluster.attention,
            "model.gradient_checkpointing_enable": True,
        }


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
