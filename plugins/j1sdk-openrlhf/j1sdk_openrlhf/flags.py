"""OpenRLHF's options: what a run means in the words of the version that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from j1sdk.errors import ConfigError

if TYPE_CHECKING:
    from j1sdk_openrlhf.cluster import Cluster
    from j1sdk_openrlhf.trainer import RolloutTrainer

Flags = dict[str, Any]
"""By name, without dashes: True for a switch, None or False to leave it out, a tuple for several
values."""
Version = tuple[int, ...]
OLDEST: Version = (0, 10, 2)


class Sizes(NamedTuple):
    """A step of GRPO."""

    rows: int
    samples: int
    """Rollouts of each row."""
    context: int
    """Tokens of prompt and completion together."""
    new: int
    """Tokens of a completion, at most."""


def version_of(text: str) -> Version:
    """The version as numbers; raises ConfigError for one that cannot be driven."""
    numbers = tuple(int(part) for part in text.split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        raise ConfigError(
            f"OpenRLHF {text} has the option names of before 0.10.2, and computes rewards where an"
            " executor cannot see both orders: upgrade to 0.10.2 or newer"
        )
    return numbers


def words(flags: Mapping[str, Any]) -> list[str]:
    """The flags as a command line has them."""
    line: list[str] = []
    for name, value in flags.items():
        if value is None or value is False:
            continue
        line.append(f"--{name}")
        if value is not True:
            line += map(str, value if isinstance(value, (tuple, list)) else (value,))
    return line


def grpo_flags(train: RolloutTrainer, version: Version, sizes: Sizes) -> Flags:
    """Everything about the algorithm."""
    return {
        "data.max_len": sizes.context,
        "rollout.max_new_tokens": sizes.new,
        "rollout.batch_size": sizes.rows,
        "rollout.n_samples_per_prompt": sizes.samples,
        "rollout.temperature": train.temperature,
        "train.batch_size": sizes.rows * sizes.samples,
        "train.num_episodes": train.epochs,
        "train.max_epochs": 1,
        "algo.advantage.estimator": train.estimator,
        **kl_flags(train.kl),
        **correction_flags(train.correction, version),
        "actor.adam.lr": train.learning_rate,
    }


def kl_flags(kl: float) -> Flags:
    """A penalty in the loss, as in GRPO; at 0 OpenRLHF loads no reference model."""
    if not kl:
        return {"algo.kl.init_coef": 0}
    return {"algo.kl.init_coef": kl, "algo.kl.use_loss": True, "algo.kl.estimator": "k3"}


def correction_flags(level: str, version: Version) -> Flags:
    """Importance-sampling correction, whose options changed in 0.11.2."""
    if level == "off":
        return {}
    if version >= (0, 11, 2):
        return {"algo.advantage.is_correction_level": level}
    kind = {"token": "tis", "seq": "seq-mask-tis"}[level]
    return {
        "algo.advantage.is_correction_enable": True,
        "algo.advantage.is_correction_type": kind,
    }


def cluster_flags(cluster: Cluster, kl: float) -> Flags:
    """Where everything runs."""
    placed = {"num_nodes": cluster.nodes, "num_gpus_per_node": cluster.gpus_per_node}
    return {
        **{f"actor.{name}": value for name, value in placed.items()},
        **({f"ref.{name}": value for name, value in placed.items()} if kl else {}),
        "vllm.num_engines": cluster.all_engines,
        "vllm.tensor_parallel_size": cluster.tensor_parallel,
        "vllm.gpu_memory_utilization": cluster.gpu_memory,
        "vllm.enable_prefix_caching": True,
        "vllm.enable_sleep": cluster.together,
        "ds.enable_sleep": cluster.together,
        "train.colocate_all": cluster.together,
        "train.async_enable": cluster.asynchronous,
        "ds.zero_stage": cluster.zero_stage,
        "ds.adam_offload": cluster.offload,
        "ds.packing_samples": cluster.packing,
        "ds.attn_implementation": cluster.attention,
        "actor.gradient_checkpointing_enable": True,
        "train.dynamic_batch_enable": True,
        "train.max_tokens_per_gpu": cluster.tokens_per_gpu,
        "rollout.max_tokens_per_gpu": cluster.tokens_per_gpu,
    }
