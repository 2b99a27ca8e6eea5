"""A judge as the reward model of LLaMA-Factory's PPO, which asks a server.

Its client posts prompt and response as one text to the server's /llamafactory, without a group or a
label, and takes nothing but numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import StrictStr

from j1sdk.adapters import Adapter, Instructions
from j1sdk.adapters.dialects import Dialect, Request
from j1sdk.adapters.scores import Item, Outcome
from j1sdk.adapters.texts import TextOptions, item_of_text
from j1sdk.errors import ConfigError


class LlamaFactory(Adapter):
    """`reward_model_type: api`; what a response without a score gets is the server's option."""

    name: ClassVar[str] = "llamafactory"
    title: ClassVar[str] = "LLaMA-Factory"
    distribution: ClassVar[str] = "llamafactory"
    tested: ClassVar[str] = "0.9.5"
    unscored: Literal["error"] = "error"
    """Decided by `j1 serve --unscored`: this framework asks the server itself."""

    def instructions(self, connection: Path) -> Instructions:
        if self.url is None:
            raise ConfigError(
                "LLaMA-Factory asks a server: start `j1 serve RUN_FILE --unscored neutral`, and"
                " give its address by --url"
            )
        if self.token_env:
            raise ConfigError("LLaMA-Factory shows no token: leave token_env out, there too")
        return Instructions(
            where="LLaMA-Factory's YAML file for PPO",
            paste=f"reward_model_type: api\nreward_model: {self.url}/llamafactory",
            remarks=[
                "It takes nothing but numbers: with `j1 serve --unscored neutral` a response"
                " without a score gets 0.5; without it, such a response ends the training."
            ],
        )


class Texts(Request):
    """Prompts and responses, each two as one text."""

    messages: list[StrictStr]


class Route(Dialect):
    """`reward_model_type: api`: prompt and response as one text, and no label.

    Needs a pointwise judge, or cohorts. It neither retries nor looks at the status: an answer
    without `scores` ends its training.
    """

    name: ClassVar[str] = "llamafactory"
    path: ClassVar[str] = "/llamafactory"
    request: ClassVar[type[Request]] = Texts
    title: ClassVar[str] = "LLaMA-Factory"
    hint: ClassVar[str] = "reward_model_type: api, reward_model: {url}"

    def items(self, request: Texts, options: TextOptions) -> list[Item]:
        return [item_of_text(text, options) for text in request.messages]

    def answer(self, request: Texts, rewards: Sequence[float], outcomes: Sequence[Outcome]) -> Any:
        return {"scores": rewards}
