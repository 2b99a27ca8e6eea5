"""What trains a judge from a run: on one machine with TRL, on a cluster with OpenRLHF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.lazy import lazy
from j1sdk.run import Interrupted, Progress, Titled, Trainer, begin

if TYPE_CHECKING:
    from j1sdk.training.chain import Chain
    from j1sdk.training.trl import Grpo, Lora, Sft
    from j1sdk.training.trl_dpo import Dpo

__all__ = [
    "Chain",
    "Dpo",
    "Grpo",
    "Interrupted",
    "Lora",
    "Progress",
    "Sft",
    "Titled",
    "Trainer",
    "begin",
]
__getattr__ = lazy(__name__)
