"""Lets the unmodified OpenRLHF, vLLM, DeepSpeed and Ray train without a GPU.

Python imports this by itself in every process that has its folder on PYTHONPATH: the driver, Ray's
workers, vLLM's engine and workers. Each patch is applied right after its module has run, before
others take names from it. A patch whose target is gone ends the process: these are the internals
of exactly the versions in requirements-stack.txt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Patch = Callable[[Any], None]
FORGETFUL = "J1_TEST_FORGETFUL_ENGINE"
"""In the environment: new weights reach vLLM, and are not loaded."""


def replace(owner: Any, **values: Any) -> None:
    for name, value in values.items():
        if not hasattr(owner, name):
            raise RuntimeError(f"the shim's target {owner!r}.{name} is gone")
        setattr(owner, name, value)


def nothing() -> Callable[..., None]:
    """A new function each time: torch refuses one object under two names."""

    def accept(*arguments: Any, **named: Any) -> None:
        return None

    return accept


class Device(str):
    """A device that is the CPU, in a text that says `cuda:0`."""

    def __format__(self, spec: str) -> str:
        return "0"


def torch_cuda(torch: Any) -> None:
    names = ("set_device", "synchronize", "empty_cache", "current_stream")
    replace(torch.cuda, current_device=lambda: Device("cpu"), **{name: nothing() for name in names})


def ray_resources(ray: Any) -> None:
    init = ray.init

    def start(*arguments: Any, **named: Any) -> Any:
        if arguments or "address" in named or os.environ.get("RAY_ADDRESS"):
            return init(*arguments, **named)
        pretended = {
            "num_gpus": 3, "num_cpus": 8, "include_dashboard": False,
            "object_store_memory": 256 * 1024**2,
        }  # fmt: skip
        return init(address="local", **{**pretended, **named})

    replace(ray, init=start)


def device_mesh(module: Any) -> None:
    make = module.init_device_mesh
    replace(module, init_device_mesh=lambda _, *rest, **named: make("cpu", *rest, **named))


class OverStore:
    """What OpenRLHF uses of NCCL's communicator, by way of the process group's own store."""

    def __init__(self, group: Any, device: Any = None, **_: Any) -> None:
        self.group = group

    def broadcast(self, tensor: Any, src: int, stream: Any = None) -> None:
        mine = tensor.detach().clone() if self.group.rank == src else None
        tensor.data.copy_(self.group.broadcast_obj(mine, src))


def weights_over_store(module: Any) -> None:
    replace(module, PyNcclCommunicator=OverStore)


def received_weights(module: Any) -> None:
    receive = module.WorkerWrap.update_weight

    def update_weight(self: Any, *arguments: Any, **named: Any) -> Any:
        import torch

        empty, model = torch.empty, self.model_runner.model
        load = model.load_weights
        torch.empty = lambda *a, **k: empty(*a, **{**k, "device": "cpu"})
        if os.environ.get(FORGETFUL):
            model.load_weights = nothing()
        try:
            return receive(self, *arguments, **named)
        finally:
            torch.empty, model.load_weights = empty, load

    replace(module.WorkerWrap, update_weight=update_weight)


def weights_kept_as_they_come(module: Any) -> None:
    import torch

    def dispatch(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    replace(module, dispatch_cpu_unquantized_gemm=dispatch)


def plain_optimizer(module: Any) -> None:
    make = module.get_train_ds_config

    def config(*arguments: Any, **named: Any) -> Any:
        made = make(*arguments, **named)
        if "optimizer" in made:
            made["optimizer"]["params"]["torch_adam"] = True
        return made

    replace(
        module, get_train_ds_config=config, offload_deepspeed_states=nothing(),
        reload_deepspeed_states=nothing(),
    )  # fmt: skip


def plain_attention(module: Any) -> None:
    make = module.Actor.__init__

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **{**named, "attn_implementation": "sdpa"})

    replace(module.Actor, __init__=__init__)


def weights_by_broadcast(module: Any) -> None:
    make = module.ActorPPOTrainer.__init__

    def __init__(self: Any, strategy: Any, *arguments: Any, **named: Any) -> None:
        strategy.args.vllm.sync_backend = "gloo"
        make(self, strategy, *arguments, **named)

    replace(module.ActorPPOTrainer, __init__=__init__)


def no_sleep(module: Any) -> None:
    check = module.EngineArgs.__post_init__

    def __post_init__(self: Any) -> None:
        self.enable_sleep_mode = False
        check(self)

    replace(module.EngineArgs, __post_init__=__post_init__)


PATCHES: dict[str, Patch] = {
    "torch": torch_cuda,
    "ray": ray_resources,
    "torch.distributed.device_mesh": device_mesh,
    "vllm.distributed.device_communicators.pynccl": weights_over_store,
    "vllm.model_executor.layers.utils": weights_kept_as_they_come,
    "vllm.engine.arg_utils": no_sleep,
    "openrlhf.trainer.ray.vllm_worker_wrap": received_weights,
    "openrlhf.trainer.ray.ppo_actor": weights_by_broadcast,
    "openrlhf.utils.deepspeed.deepspeed_utils": plain_optimizer,
    "openrlhf.models.actor": plain_attention,
}


class Finder:
    """Finds what the other finders find, and patches it once it has run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in PATCHES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        finders = (finder.find_spec for finder in others if hasattr(finder, "find_spec"))
        spec = next(filter(None, (find(name, path, target) for find in finders)), None)
        if spec is not None and spec.loader is not None:
            patched(spec.loader, PATCHES[name])
        return spec


def patched(loader: Any, patch: Patch) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        patch(module)

    loader.exec_module = exec_module


sys.meta_path.insert(0, Finder())
