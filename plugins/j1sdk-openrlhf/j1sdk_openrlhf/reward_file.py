"""The file that makes a judge OpenRLHF's reward: `--reward.remote_url` may name one.

OpenRLHF loads it in every rollout worker, and the judge is opened with it; a judge that should be
loaded once belongs behind `j1 serve`, or on the `openai` engine.
"""

from __future__ import annotations

from pathlib import Path

from j1sdk.adapters.openrlhf import RewardFunction
from j1sdk.adapters.texts import TextOptions
from j1sdk.files import write_text
from j1sdk.run import open_run
from j1sdk.server import Serve

SHIM = """\
# OpenRLHF loads this by --reward.remote_url, once in every rollout worker.
from j1sdk_openrlhf.reward_file import openrlhf_reward_function

reward_func = openrlhf_reward_function({judge!r})
"""


def openrlhf_reward_function(judge: str | Path) -> RewardFunction:
    """`reward_func` for a run file or a saved judge's folder; its [serve] table has the options.

    With `unscored = "error"` a response without a score raises UnscoredError, which ends the
    training; with "neutral" or "floor" the rate is logged as `j1/unscored`. Raises ConfigError for
    what cannot work.
    """
    run = open_run(Path(judge))
    served = run.serve or Serve()
    shared = TextOptions.model_fields.keys() | {"unscored", "deadline"}
    options = {name: getattr(served, name) for name in shared}
    reward: RewardFunction = run.judge.as_reward_function("openrlhf", **options)
    return reward


def write_shim(judge: Path, to: Path) -> None:
    """Write the file OpenRLHF is to be given; the judge is named by its absolute path."""
    write_text(to, SHIM.format(judge=str(judge.absolute())))
