"""What OpenRLHF's agent path hands an executor, and what it takes back.

Nothing here imports OpenRLHF: `agent_class` makes the class it wants in its own process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from j1sdk.errors import EngineError

AGENT = """\
# OpenRLHF loads this by --train.agent_func_path, once in every rollout worker.
from openrlhf.utils.agent import AgentExecutorBase

from {module} import agent_executor

AgentExecutor = agent_executor({run!r}, AgentExecutorBase)
"""
"""The file that `--train.agent_func_path` names."""
TERM, SHARE = "j1/reward/", "j1/share/"
"""How the names begin that a reward's term, and a format's share of the rows, are logged by."""


class Executor(Protocol):
    """Rolls out one completion after the other of a row."""

    async def execute(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """One rollout as OpenRLHF wants it."""
        ...


def agent_class(base: type, make: Callable[[], Executor]) -> type:
    """The class OpenRLHF loads by the name `AgentExecutor`: without arguments, once per engine."""

    class AgentExecutor(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self._executor = make()

        async def execute(self, *arguments: Any, **named: Any) -> dict[str, Any]:
            return await self._executor.execute(*arguments, **named)

    return AgentExecutor


class Trajectory(NamedTuple):
    """What one rollout trains on."""

    tokens: list[int]
    """Prompt and response, and for a conversation of several turns all of them."""
    actions: list[tuple[int, int]]
    """Where the model's own words begin and end."""
    log_probs: list[float] | None
    """Of every token, 0 where it is not the model's; None where they were not asked for."""
    truncated: bool

    def answer(
        self, prompt: str, label: Any, images: Any, reward: float, logs: dict[str, float]
    ) -> dict[str, Any]:
        """The rollout as OpenRLHF takes it; `logs` must have the same keys every time."""
        return {
            "prompt": prompt,
            "label": label,
            "images": images,
            "mm_train_inputs": None,
            "observation_tokens": self.tokens,
            "action_ranges": self.actions,
            "rollout_log_probs": self.log_probs,
            "truncated": self.truncated,
            "reward": reward,
            "scores": min(max(reward, 0.0), 1.0),
            "extra_logs": logs,
        }


async def complete(
    engine: Any,
    tokens: list[int],
    sampling: Any,
    max_length: int,
    limits: Iterable[int | None] = (),
    stop: Sequence[str] = (),
) -> tuple[Any, bool]:
    """What vLLM wrote behind the tokens, and whether a limit cut it; raises EngineError."""
    room = max_length - len(tokens)
    if room < 1:
        raise EngineError(f"the prompt has {len(tokens)} tokens, the limit is {max_length}")
    params = copy.deepcopy(sampling)  # siblings share it
    params.max_tokens = min(limit for limit in (sampling.max_tokens, room, *limits) if limit)
    if stop:
        params.stop, params.include_stop_str_in_output = list(stop), True
    try:
        request = await engine.generate(tokens, params)
    except Exception as error:  # whatever it is, the siblings must not be lost
        raise EngineError(f"OpenRLHF's engine failed: {error}") from error
    return request.outputs[0], request.outputs[0].finish_reason == "length"


def log_probs(output: Any) -> list[float] | None:
    """Log-probability of each token that was sampled; None where vLLM was not asked for them."""
    if output.logprobs is None:
        return None
    places = zip(output.token_ids, output.logprobs, strict=True)
    return [float(known[token].logprob) for token, known in places]
