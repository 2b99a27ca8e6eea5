"""A judge as an environment of SkyRL: `env_class: j1` in the data.

SkyRL makes one environment per rollout, in threads, with the prompt's messages and no group, and
takes nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.scores import Item, logged, numbers
from j1sdk.adapters.texts import without_end
from j1sdk.background import run

REGISTRATION = """\
import skyrl_gym

skyrl_gym.register(
    id="j1",
    entry_point="j1sdk.adapters.skyrl:J1Env",
    kwargs={{"connection": {connection!r}}},
)"""


class SkyRL(Adapter):
    """An environment of one turn; a pairwise judge compares with the row's ground truth."""

    name: ClassVar[str] = "skyrl"
    title: ClassVar[str] = "SkyRL"
    distribution: ClassVar[str] = "skyrl-gym"
    tested: ClassVar[str] = "0.4.0"
    unscored: Literal["error", "neutral", "floor"] = "error"
    """What a rollout without a score gets: an UnscoredError, which ends the training; 0.5; 0.
    SkyRL leaves nothing out."""
    reference: Literal["ground_truth", "none"] = "ground_truth"
    """Whether a row's `reward_spec.ground_truth` is a reference answer for the judge."""

    def instructions(self, connection: Path) -> Instructions:
        return Instructions(
            where="the Ray task that starts your training (SkyRL's guide to new environments)",
            paste=REGISTRATION.format(connection=str(connection)),
            remarks=["Rows choose it by env_class: j1."],
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        found = find_spec("skyrl_gym.envs.base_text_env")
        return [] if found else ["this skyrl-gym has no envs.base_text_env"]


def scored(connection: str, item: Item) -> tuple[float, dict[str, float]]:
    """A rollout's reward and what is logged of it; raises UnscoredError."""
    opened = open_connection(SkyRL, connection)
    outcomes = run(opened.scorer.score([item]))
    (reward,) = numbers(outcomes, opened.adapter.unscored)
    return reward, logged(outcomes[0])


def __getattr__(name: str) -> Any:
    """The environment's class, made when SkyRL asks for it: it derives from one of SkyRL's."""
    if name == "J1Env":
        return _environment_class()
    raise AttributeError(name)


@cache
def _environment_class() -> type:
    from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

    class J1Env(BaseTextEnv):  # type: ignore[misc] # which is not typed
        """Judges the first answer, and is done."""

        def __init__(
            self, env_config: Any = None, extras: Mapping[str, Any] = {}, connection: str = ""
        ) -> None:
            super().__init__()
            adapter = open_connection(SkyRL, connection).adapter
            assert isinstance(adapter, SkyRL)
            self._connection, self._adapter = connection, adapter
            self._truth = (extras.get("reward_spec") or {}).get("ground_truth")
            self._prompt: Any = []
            self._logged: dict[str, float] = {}

        def init(self, prompt: Any) -> tuple[Any, dict[str, Any]]:
            self._prompt = prompt
            return prompt, {}

        def step(self, action: str) -> Any:
            known = self._truth if self._adapter.reference != "none" else None
            answer = final_answer(without_end(action), self._adapter.show_thinking)
            item = Item(conversation(self._prompt), answer, reference_answer(known))
            reward, self._logged = scored(self._connection, item)
            return BaseTextEnvStepOutput(observations=[], reward=reward, done=True, metadata={})

        def get_metrics(self) -> dict[str, float]:
            return self._logged

    return J1Env
