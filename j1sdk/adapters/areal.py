"""A judge as AReaL's reward function, by its path: `j1sdk.adapters.areal.reward_fn`.

AReaL calls it in processes of its own, gives each call 15 s, tries three times more, and then takes
0 for the reward. So it has to answer or to fail before: `deadline` is shorter. There is no group.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.answers import reference_answer
from j1sdk.adapters.connection import FILE_VARIABLE, open_connection
from j1sdk.adapters.scores import Item, Outcome, late, numbers
from j1sdk.adapters.texts import TextOptions, item_of
from j1sdk.background import run

PASTE = """\
export {variable}={connection}
# and in the script, of RLVRWorkflow: reward_fn="j1sdk.adapters.areal.reward_fn\""""
TIMEOUT = 15.0
"""Seconds that AReaL gives a call, before it asks again and in the end takes 0."""


class AReaL(Adapter, TextOptions):
    """A function by its path; a pairwise judge compares with a column of the row."""

    name: ClassVar[str] = "areal"
    title: ClassVar[str] = "AReaL"
    distribution: ClassVar[str] = "areal"
    tested: ClassVar[str] = "1.0.4"
    unscored: Literal["error", "neutral", "floor"] = "error"
    """What a completion without a score gets: an UnscoredError, with which AReaL rejects the
    episode; 0.5; 0."""
    reference_column: str = ""
    """The row's column with a reference answer, which a pairwise judge needs."""
    deadline: float = Field(default=12.0, gt=0, lt=TIMEOUT)
    """Seconds for a score; after 15 AReaL asks again, and after the fourth time takes 0."""

    def instructions(self, connection: Path) -> Instructions:
        return Instructions(
            where="the environment and the script that start your training",
            paste=PASTE.format(variable=FILE_VARIABLE, connection=connection),
            remarks=["A judge that thinks for longer than 12 s is too slow for AReaL's wrapper."],
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        spec = find_spec("areal")
        folders = list(spec.submodule_search_locations or ()) if spec else []
        found = any(Path(folder, "api", "reward_api.py").exists() for folder in folders)
        return [] if found else ["this AReaL has no api/reward_api.py"]


def reward_fn(
    prompt: str, completions: str, prompt_ids: Any, completion_ids: Any, **row: Any
) -> float:
    """The reward of a completion, from texts with all special tokens; raises UnscoredError."""
    opened = open_connection(AReaL)
    adapter = opened.adapter
    assert isinstance(adapter, AReaL)
    item = item_of(prompt, completions, None, adapter)
    known = row.get(adapter.reference_column) if adapter.reference_column else None
    item = replace(item, reference=reference_answer(known))
    return numbers([run(_in_time(opened.scorer, item, adapter.deadline))], adapter.unscored)[0]


async def _in_time(scorer: Scorer, item: Item, seconds: float) -> Outcome:
    try:
        (outcome,) = await asyncio.wait_for(scorer.score([item]), seconds)
    except TimeoutError:
        return late(seconds)
    return outcome
