"""Training on a cluster, with OpenRLHF: GRPO by Ray, vLLM and DeepSpeed; SFT, DPO, reward models.

    [train]
    name = "openrlhf"
    tasks_per_step = 64
    rollouts = 4
    rewards = ["verdict-consistency"]
    cluster = { nodes = 1, gpus_per_node = 8 }

OpenRLHF itself is not changed and not imported: a run becomes data, an executor file and a command
line, which the installed version's own parser checks first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from j1sdk.hookspecs import hookimpl
from j1sdk.lazy import lazy

if TYPE_CHECKING:
    from j1sdk_openrlhf.cluster import Cluster
    from j1sdk_openrlhf.deepspeed import Machines
    from j1sdk_openrlhf.dpo import OpenRLHFDpo
    from j1sdk_openrlhf.job import Job
    from j1sdk_openrlhf.policy import OpenRLHFPolicy
    from j1sdk_openrlhf.reward_model import OpenRLHFRewardModel
    from j1sdk_openrlhf.sft import OpenRLHFSft
    from j1sdk_openrlhf.trainer import OpenRLHF

__all__ = [
    "Cluster",
    "Job",
    "Machines",
    "OpenRLHF",
    "OpenRLHFDpo",
    "OpenRLHFPolicy",
    "OpenRLHFRewardModel",
    "OpenRLHFSft",
]
__getattr__ = lazy(__name__)


@hookimpl
def trainers() -> dict[str, str]:
    return {
        "openrlhf": "j1sdk_openrlhf.trainer:OpenRLHF",
        "openrlhf-sft": "j1sdk_openrlhf.sft:OpenRLHFSft",
        "openrlhf-dpo": "j1sdk_openrlhf.dpo:OpenRLHFDpo",
        "openrlhf-rm": "j1sdk_openrlhf.reward_model:OpenRLHFRewardModel",
        "openrlhf-policy": "j1sdk_openrlhf.policy:OpenRLHFPolicy",
    }


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "openrlhf": (
            "j1sdk_openrlhf.command:openrlhf",
            "Train a judge, or by a judge, with OpenRLHF.",
        ),
    }
