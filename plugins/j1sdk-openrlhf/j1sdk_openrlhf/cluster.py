"""What OpenRLHF runs on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from j1sdk.component import Value
from j1sdk_openrlhf.job import Job


class Nodes(Value):
    """Machines with GPUs, and how a model is spread over them."""

    nodes: int = Field(default=1, ge=1)
    """Machines."""
    gpus_per_node: int = Field(default=8, ge=1)
    """GPUs of each machine."""
    zero_stage: Literal[0, 1, 2, 3] = 3
    """DeepSpeed's ZeRO: 1 shares out the optimizer, 2 the gradients too, 3 the weights too."""
    offload: bool = False
    """Keep the optimizer in main memory."""
    packing: bool = True
    """Put several short rows into one sequence."""
    attention: str = "flash_attention_2"
    """The attention implementation, by its name in transformers."""

    @property
    def gpus(self) -> int:
        """GPUs in all."""
        return self.nodes * self.gpus_per_node


class Cluster(Nodes):
    """A Ray cluster. The weights in training, their vLLM engines and the reference share it."""

    tensor_parallel: int = Field(default=1, ge=1)
    """GPUs of one vLLM engine."""
    engines: int | None = Field(default=None, ge=1)
    """VLLM engines; as many as fit on all GPUs unless given."""
    colocate: bool = True
    """Take turns on the same GPUs, sleeping in between."""
    asynchronous: bool = False
    """Generate for the next step while training on this one."""
    gpu_memory: float = Field(default=0.6, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""
    tokens_per_gpu: int = Field(default=16384, ge=1)
    """Tokens of a forward pass on one GPU, at most."""
    job: Job | None = None
    """Where to submit it; without one it runs here, or where RAY_ADDRESS says."""

    @property
    def together(self) -> bool:
        """Whether training and generation take turns."""
        return self.colocate and not self.asynchronous

    @property
    def all_engines(self) -> int:
        """VLLM engines in all."""
        return self.engines or max(1, self.gpus // self.tensor_parallel)

    @model_validator(mode="after")
    def _check_engines(self) -> Cluster:
        """OpenRLHF would say so too, but only once Ray runs."""
        taken = self.all_engines * self.tensor_parallel
        if self.together and taken != self.gpus:
            raise ValueError(
                f"engines x tensor_parallel is {taken}, but engines that share GPUs with training"
                f" must take all {self.gpus}: change them, or set colocate = false"
            )
        return self
