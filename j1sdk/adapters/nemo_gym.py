"""A judge as a resources server of NeMo Gym, or behind `j1 serve` at its route `/verify`.

NeMo Gym verifies one rollout at a time, and sends what it asked, what came back and the row's own
fields. A group is the rollouts of one task, by the index that NeMo Gym numbers it with, or else by
the row's `prompt_id`: two rows with one prompt are two groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.connection import open_connection
from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.adapters.groups import OneByOne
from j1sdk.adapters.scores import Item, Outcome, logged, numbers
from j1sdk.adapters.texts import TextOptions
from j1sdk.errors import DataError

TASK = "_ng_task_index"
SERVER = "J1ResourcesServer"
FOLDER = "resources_servers/j1"
APP = """\
from j1sdk.adapters.nemo_gym import J1ResourcesServer

if __name__ == "__main__":
    J1ResourcesServer.run_webserver()
"""
YAML = """\
j1:
  resources_servers:
    j1:
      entrypoint: app.py
      domain: rlhf
      connection: {connection}
      num_rollouts_per_prompt: 1
"""


class NeMoGym(Adapter):
    """A resources server that is NeMo Gym's own; a judge that compares gathers the group there."""

    name: ClassVar[str] = "nemo-gym"
    title: ClassVar[str] = "NeMo Gym"
    distribution: ClassVar[str] = "nemo-gym"
    tested: ClassVar[str] = "0.4.0"
    one_per_worker: ClassVar[bool] = False
    unscored: Literal["error", "group", "neutral", "floor"] = "error"
    """What a rollout without a score gets: an UnscoredError, which NeMo Gym answers with 500; the
    mean of its scored siblings; 0.5; 0."""
    reference_field: str = ""
    """The row's field with a reference answer, which a pairwise judge without groups needs."""
    group_wait: float = Field(default=900.0, gt=0)
    """Seconds that a rollout waits for the others of its group."""

    def instructions(self, connection: Path) -> Instructions:
        return Instructions(
            where=f"the config_paths of ng_run, with the files written here as {FOLDER}",
            paste=f"{FOLDER}/configs/j1.yaml",
            files={
                "app.py": APP,
                "configs/j1.yaml": YAML.format(connection=connection),
                "requirements.txt": "-e nemo-gym[dev] @ ../../\nj1sdk\n",
            },
            remarks=[
                "An agent names it: resources_server: { type: resources_servers, name: j1 }.",
                "For a judge that compares, set num_rollouts_per_prompt to the rollouts of a task.",
            ],
        )

    def problems(self) -> list[str]:
        from importlib.util import find_spec

        found = find_spec("nemo_gym.base_resources_server")
        return [] if found else ["this nemo-gym has no base_resources_server"]


def item_of_body(
    body: Mapping[str, Any], show_thinking: bool = False, reference_field: str = ""
) -> Item:
    """The rollout in a request to `/verify`; raises DataError."""
    try:
        asked, output = body["responses_create_params"]["input"], body["response"]["output"]
    except (KeyError, TypeError) as error:
        raise DataError("a request without responses_create_params.input or response") from error
    written = [one for one in output if one.get("type", "message") != "reasoning"]
    answered = bool(written) and written[-1].get("type", "message") == "message"
    return Item(
        prompt=conversation(asked if isinstance(asked, str) else list(map(plain, asked))),
        response=final_answer(written[-1:], show_thinking) if answered else None,
        reference=reference_answer(body.get(reference_field)) if reference_field else None,
        group=group_of(body),
    )


def plain(turn: Any) -> Any:
    """A message without its `type`, which the Responses API gives it."""
    message = isinstance(turn, Mapping) and turn.get("type") == "message"
    return {key: turn[key] for key in ("role", "content")} if message else turn


def group_of(body: Mapping[str, Any]) -> str:
    """The group of a request; empty where neither NeMo Gym nor the row says it."""
    known = {name: body.get(name) for name in (TASK, "task_index", "prompt_id")}
    return next((f"{name}:{value}" for name, value in known.items() if value is not None), "")


class Verifier:
    """What the server does, apart from NeMo Gym."""

    def __init__(self, connection: str, rollouts: int) -> None:
        """Raises ConfigError."""
        opened = open_connection(NeMoGym, connection)
        assert isinstance(opened.adapter, NeMoGym)
        self._adapter = adapter = opened.adapter
        with_mean = adapter.unscored == "group"
        self._scores = OneByOne(opened.scorer, rollouts, adapter.group_wait, with_mean)

    async def rewarded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a request with its reward, and what is logged; raises UnscoredError."""
        adapter = self._adapter
        item = item_of_body(body, adapter.show_thinking, adapter.reference_field)
        outcome = await self._scores.outcome(item)
        (reward,) = numbers([outcome], adapter.unscored)
        return {**body, "reward": reward, **logged(outcome)}


def __getattr__(name: str) -> Any:
    """The server's class, made when NeMo Gym's script asks for it: it derives from its own."""
    if name == SERVER:
        return _server_class()
    raise AttributeError(name)


@cache
def _server_class() -> type:
    from nemo_gym.base_resources_server import (
        BaseResourcesServerConfig,
        BaseVerifyRequest,
        BaseVerifyResponse,
        SimpleResourcesServer,
    )
    from pydantic import ConfigDict, PrivateAttr

    class Config(BaseResourcesServerConfig):  # type: ignore[misc] # which is not typed
        """Which connection, and how many rollouts are a group."""

        connection: str
        num_rollouts_per_prompt: int = 1

    class Request(BaseVerifyRequest):  # type: ignore[misc] # which is not typed
        """With the row's own fields."""

        model_config = ConfigDict(extra="allow")

    class Answer(BaseVerifyResponse):  # type: ignore[misc] # which is not typed
        """With them, and with what is logged."""

        model_config = ConfigDict(extra="allow")

    class J1ResourcesServer(SimpleResourcesServer):  # type: ignore[misc] # which is not typed
        """Scores rollouts by a judge."""

        config: Config
        _verifier: Verifier = PrivateAttr()

        def model_post_init(self, context: Any) -> None:
            super().model_post_init(context)
            self._verifier = Verifier(self.config.connection, self.config.num_rollouts_per_prompt)

        async def verify(self, body: Request) -> Answer:
            return Answer(**await self._verifier.rewarded(body.model_dump()))

    # NeMo Gym's web server reads the types of `verify`, which are names of this function only
    J1ResourcesServer.verify.__annotations__ = {"body": Request, "return": Answer}
    J1ResourcesServer.__name__ = J1ResourcesServer.__qualname__ = SERVER
    return J1ResourcesServer


class Verified(Request):
    """A rollout of NeMo Gym's, with the row's own fields; all of it is sent back."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, body: Any) -> Any:
        """Its group is that of the task."""
        return {"group": group_of(body), **body} if isinstance(body, dict) else body


class Route(Dialect):
    """`/verify` of a resources server: a rollout in OpenAI's Responses, and back with a reward."""

    name: ClassVar[str] = "nemo-gym"
    path: ClassVar[str] = "/verify"
    request: ClassVar[type[Request]] = Verified
    title: ClassVar[str] = "NeMo Gym"

    def items(self, request: Verified, options: TextOptions) -> list[Item]:
        return [item_of_body(request.model_dump(exclude={"group"}), options.show_thinking)]

    def answer(
        self, request: Verified, rewards: Sequence[float], outcomes: Sequence[Outcome]
    ) -> Any:
        return {**request.model_dump(exclude={"group"}), "reward": rewards[0]}
