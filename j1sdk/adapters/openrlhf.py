"""A judge as OpenRLHF's Python reward function: the file that `--reward.remote_url` may name.

OpenRLHF loads such a file in every rollout worker and calls `reward_func` for one sample at a time,
on up to 32 threads. The judge is opened when the file is, in each worker; a judge that should be
loaded once belongs behind `j1 serve`, or on the `openai` engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from j1sdk.background import run
from j1sdk.errors import MissingExtraError
from j1sdk.files import write_text
from j1sdk.server import Serve

RewardFunction = Callable[[Sequence[str], Sequence[str], Sequence[Any]], dict[str, Any]]
SHIM = """\
# OpenRLHF loads this by --reward.remote_url, once in every rollout worker.
from j1sdk.adapters.openrlhf import openrlhf_reward_function

reward_func = openrlhf_reward_function({judge!r})
"""


def openrlhf_reward_function(judge: str | Path) -> RewardFunction:
    """`reward_func` for a run file or a saved judge's folder; its [serve] table has the policy.

    With `unscored = "error"` a response without a score raises UnscoredError, which ends the
    training; with "neutral" or "floor" the rate is logged as `j1/unscored`.
    """
    from j1sdk.run import open_run

    opened = open_run(Path(judge))
    try:
        from j1sdk.server.desk import Desk
        from j1sdk.server.dialects import OpenRLHF
        from j1sdk.server.outcomes import settled
    except ImportError as error:
        raise MissingExtraError(error.name or "prometheus_client", "serve") from error
    desk = Desk(opened.judge, opened.serve or Serve())

    def reward_func(
        queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]
    ) -> dict[str, Any]:
        asked = OpenRLHF(query=list(queries), prompts=list(prompts), labels=list(labels))
        outcomes = run(desk.score(asked.items(desk.options)))
        rewards = settled(outcomes, desk.options.unscored)
        answer: dict[str, Any] = asked.answer(rewards, outcomes)
        return answer

    return reward_func


def write_shim(judge: Path, to: Path) -> None:
    """Write the file OpenRLHF is to be given; the judge is named by its absolute path."""
    write_text(to, SHIM.format(judge=str(judge.absolute())))
