"""A judge as the reward of a policy: one adapter per RLHF framework, and what they share.

Every framework hands over prompts, what its policy wrote and perhaps reference answers, and takes
numbers. An adapter knows its words; the rest is shared:

    answers      what the judge is shown of a completion
    texts        prompts and responses that a chat template has rendered
    scores       the score of a response, alone or in its group, and what stands for a missing one
    scorers      a judge in this process, or one behind `j1 serve`
    groups       a group that is handed over response by response
    connection   the file from which a framework's own process opens its adapter
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from j1sdk.adapters.answers import conversation, final_answer, reference_answer
from j1sdk.adapters.groups import Gathering
from j1sdk.adapters.scorers import OwnJudge, Scorer, ServedJudge
from j1sdk.adapters.scores import (
    Item,
    Outcome,
    Unscored,
    logged,
    settled,
)
from j1sdk.component import Component
from j1sdk.errors import ConfigError

if TYPE_CHECKING:
    from j1sdk.judge import JudgeRewardModel

__all__ = [
    "Adapter",
    "Gathering",
    "Instructions",
    "Item",
    "Outcome",
    "Scorer",
    "Unscored",
    "conversation",
    "final_answer",
    "logged",
    "reference_answer",
    "settled",
]


@dataclass(frozen=True, slots=True)
class Instructions:
    """How a framework is told of its adapter: what `j1 connect` writes and prints."""

    paste: str
    """Flags, lines of YAML or of Python, to be added as they are."""
    where: str
    """Where they go, such as `verl's command line`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files to write beside the connection file: text by name."""
    remarks: Sequence[str] = ()
    """What else the user should know, a sentence each."""


class Adapter(Component):
    """A judge as one framework takes it.

    Either as a Python object, `judge.as_reward_function(name, **options)`, or, where the framework
    loads its rewards itself, by a file that `j1 connect NAME` writes.
    """

    kind: ClassVar[str] = "adapters"
    title: ClassVar[str] = ""
    """What the framework is called."""
    distribution: ClassVar[str] = ""
    """The framework's distribution on the package index."""
    tested: ClassVar[str] = ""
    """The version the adapter was run with."""
    one_per_worker: ClassVar[bool] = True
    """Whether the framework opens the judge in several processes: then its weights, if it has any,
    have to be behind `j1 serve`."""
    unscored: Unscored = "drop"
    """What a response without a score gets: `drop` leaves it out, `group` is the mean of its scored
    siblings, `neutral` is 0.5, `floor` is 0, and `error` raises UnscoredError."""
    show_thinking: bool = False
    """Show the judge the policy's thinking too, not just its final answer."""
    url: str | None = None
    """A server that `j1 serve` runs, which is asked in place of a judge in this process."""
    token_env: str | None = None
    """The environment variable that holds the token which that server asks for."""
    deadline: float = Field(default=170.0, gt=0)
    """Seconds that the server may take for a request, with all attempts to reach it."""

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if self.url is not None:
            self.scorer(None)
        return self

    def scorer(self, judge: JudgeRewardModel | None) -> Scorer:
        """Who scores: the server at `url`, or else this judge; raises ConfigError for neither."""
        if self.url is not None:
            return ServedJudge(url=self.url, token_env=self.token_env, deadline=self.deadline)
        if judge is None:
            raise ConfigError(f"{self.name}: there is no judge: give one, or the `url` of a server")
        return OwnJudge(judge=judge)

    def reward_function(self, scorer: Scorer) -> Any:
        """What the framework takes for a reward, as a Python object.

        Raises ConfigError for what cannot work, and where the framework takes none.
        """
        raise ConfigError(
            f"{self.title or self.name} loads its reward itself: run `j1 connect {self.name}"
            " RUN_FILE --to DIR`, which says how"
        )

    def instructions(self, connection: Path) -> Instructions:
        """How the framework is told of the connection file: in Python, unless it loads it."""
        return Instructions(
            where="your training script; the framework takes `reward` as a Python object",
            paste="from j1sdk.adapters.connection import reward_function\n\n"
            f"reward = reward_function({str(connection)!r})",
        )

    def installed(self) -> str | None:
        """The version of the framework that is installed here, if it is."""
        try:
            return version(self.distribution)
        except (PackageNotFoundError, ValueError):
            return None

    def absent(self) -> ConfigError:
        """What to raise where the framework cannot be imported."""
        return ConfigError(
            f"{self.title or self.name} is not installed here: pip install {self.distribution}"
        )

    def problems(self) -> list[str]:
        """What of `instructions` does not fit the installed version, a sentence each."""
        return []
