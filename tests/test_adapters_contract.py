"""The adapters for frameworks that are installed beside us, held to the contract."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from itertools import groupby

from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.openrlhf import OpenRLHF
from j1sdk.adapters.trl import TRL
from j1sdk.testing import AdapterContract, Row


class TestTrl(AdapterContract):
    component = TRL()

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> list[float | None]:
        """As GRPOTrainer does."""
        size = len(list(next(groupby(rows, lambda row: row.group))[1]))
        reward = adapter.replace(group_size=size).reward_function(scorer)
        columns = {
            "prompts": [row.prompt for row in rows],
            "completions": [row.response for row in rows],
        }
        made = reward(**columns)
        return asyncio.run(made) if inspect.iscoroutine(made) else made


class TestAsynchronousTrl(TestTrl):
    component = TRL(asynchronous=True)


class TestOpenRlhf(AdapterContract):
    component = OpenRLHF()
    grouped = False

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> list[float | None]:
        """As its rollout workers do, one sample after the other."""
        reward = adapter.reward_function(scorer)
        answers = [reward([row.prompt + row.response], [row.prompt], [""]) for row in rows]
        return [float(answer["rewards"][0]) for answer in answers]
