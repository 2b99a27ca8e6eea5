"""A judge in AReaL: as a workflow that awaits it, or as a reward function by its path.

A reward function is called in processes of AReaL's own, which gives each call 15 s, tries three
times more, and then takes 0 for the reward. So it has to answer or to fail before; a workflow may
wait for a judge that thinks for longer, and leaves out a rollout without a score by itself. There
is no group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Instructions, Scorer
from j1sdk.adapters.answers import conversation, final_answer, opens_thinking, reference_answer
from j1sdk.adapters.connection import FILE_VARIABLE, Connection, open_connection
from j1sdk.adapters.scores import Item, Outcome, Unscored, late, numbers
from j1sdk.adapters.texts import TextOptions, item_of, without_end
from j1sdk.background import run
from j1sdk.errors import UnscoredError

PASTE = """\
export {variable}={connection}
# and in the script: workflow="j1sdk.adapters.areal.J1Workflow", with no reward_fn in its kwargs"""
LONGEST_CALL = 12.0
"""Seconds for a call of the function: after 15 AReaL asks again, and at last takes 0."""
WORKFLOW = "J1Workflow"


class AReaL(Adapter, TextOptions):
    """A workflow or a function; a pairwise judge compares with a column of the row."""

    name: ClassVar[str] = "areal"
    title: ClassVar[str] = "AReaL"
    distribution: ClassVar[str] = "areal"
    tested: ClassVar[str] = "1.0.4"
    unscored: Literal["drop", "neutral", "floor"] = "drop"
    """What a completion without a score gets: the workflow leaves it out, and the function raises
    an UnscoredError, with which AReaL rejects the group's episode; 0.5; 0."""
    reference_column: str = ""
    """The row's column with a reference answer, which a pairwise judge needs."""

    def instructions(self, connection: Path) -> Instructions:
        return Instructions(
            where="the environment and the script that start your training",
            paste=PASTE.format(variable=FILE_VARIABLE, connection=connection),
            remarks=[
                "It takes what RLVRWorkflow takes. In a workflow of your own, a judge that needs"
                f" less than {LONGEST_CALL:g} s is"
                ' reward_fn="j1sdk.adapters.areal.reward_fn".'
            ],
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
    opened, adapter = connected()
    item = item_of(prompt, completions, None, adapter)
    item = replace(item, reference=reference_in(row, adapter))
    seconds = min(adapter.deadline, LONGEST_CALL)
    return number(run(_in_time(opened.scorer, item, seconds)), adapter)


def connected() -> tuple[Connection, AReaL]:
    """The connection that J1_CONNECTION names; raises ConfigError."""
    opened = open_connection(AReaL)
    assert isinstance(opened.adapter, AReaL)
    return opened, opened.adapter


def reference_in(row: Mapping[str, Any], adapter: AReaL) -> str | None:
    """The row's reference answer, where a column has one."""
    column = adapter.reference_column
    return reference_answer(row.get(column)) if column else None


def number(outcome: Outcome, adapter: AReaL) -> float:
    """The reward; raises UnscoredError where there is to be none."""
    policy: Unscored = "error" if adapter.unscored == "drop" else adapter.unscored
    return numbers([outcome], policy)[0]


async def _in_time(scorer: Scorer, item: Item, seconds: float) -> Outcome:
    try:
        (outcome,) = await asyncio.wait_for(scorer.score([item]), seconds)
    except TimeoutError:
        return late(seconds)
    return outcome


def __getattr__(name: str) -> Any:
    """The workflow's class, made when AReaL asks for it: it derives from one of AReaL's."""
    if name == WORKFLOW:
        return _workflow_class()
    raise AttributeError(name)


@cache
def _workflow_class() -> type:
    from areal.workflow.rlvr import RLVRWorkflow

    class J1Workflow(RLVRWorkflow):  # type: ignore[misc] # which is not typed
        """One turn, whose reward is awaited on AReaL's own event loop."""

        def __init__(self, gconfig: Any, tokenizer: Any, *args: Any, **kwargs: Any) -> None:
            """As RLVRWorkflow, without its reward function."""
            super().__init__(WORKFLOW, gconfig, tokenizer, *args, **kwargs)
            self.reward_fn = None  # what is a name would be imported, and given processes
            connected()

        async def _compute_rewards(self, resp: Any, prompt_str: str, task_data: Any) -> float:
            opened, adapter = connected()
            written = without_end(self.tokenizer.decode(resp.output_tokens))
            item = Item(
                conversation(self.data_extract_prompt_fn(task_data)),
                final_answer(written, adapter.show_thinking, opens_thinking(prompt_str)),
                reference_in(task_data, adapter),
            )
            (outcome,) = await opened.scorer.score([item])
            return number(outcome, adapter)

        async def arun_episode(self, engine: Any, data: Any) -> Any:
            try:
                return await super().arun_episode(engine, data)
            except UnscoredError:
                return None  # which leaves out this rollout, and none of its group's others

    return J1Workflow
