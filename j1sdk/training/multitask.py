"""Several formats trained in one model, in the same batches (J1's MultiTask, section 3).

    [train]
    name = "grpo"
    multitask = ["pointwise"]
    rewards = ["verdict-correctness", "score-ordering"]

Every task of a batch is presented in the judge's own format and in each of these, and each reward
grades the formats it can. The judge is saved with its own; `load(..., format=...)` takes another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from j1sdk.component import Value
from j1sdk.errors import ConfigError
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import JudgeRewardModel
from j1sdk.rewards import RewardStrategy
from j1sdk.types import Completion, JudgmentTask, Presentation

Decode = Callable[[Sequence[int]], Completion]
RewardFunction = Callable[..., Sequence[float | None]]


class Part(NamedTuple):
    """A judge in one of its formats, and what it is rewarded by."""

    judge: JudgeRewardModel
    rewards: tuple[RewardStrategy, ...]
    title: str = ""
    """The format's name, where it is not the judge's own."""

    def named(self, metric: str, kind: str = "judge/") -> str:
        """A metric in the log, behind its kind: `judge/accuracy`, or `judge/pointwise/accuracy`."""
        own = metric.removeprefix(kind)
        return f"{kind}{self.title}/{own}" if self.title else kind + own


class Assignment(Value):
    """A task, and which part is to judge it."""

    part: int = Field(default=0, ge=0)
    task: JudgmentTask


def parts_of(
    judge: JudgeRewardModel, formats: Sequence[JudgmentFormat], rewards: Sequence[RewardStrategy]
) -> list[Part]:
    """The judge in its own format, then in the others.

    Raises ConfigError where a format has no reward, or a reward no format that it can grade.
    """
    if any(format.reads_probabilities for format in (judge.format, *formats)):
        raise ConfigError(
            'training rewards what is said: set the format\'s reading = "said", and have the'
            ' trained judge read as "expected"'
        )
    if not formats:
        return [Part(judge, checked(judge, rewards))]
    every = [judge, *(judge.replace(format=format) for format in formats)]
    fitting = [[one for one in rewards if part.format.arity in one.arities] for part in every]
    for part, own in zip(every, fitting, strict=True):
        if not own:
            raise ConfigError(f"no reward grades {part.format.name}: add one to `rewards`")
        if not part.format.single_turn:
            raise ConfigError(f"multitask takes single-turn formats; {part.format.name} is not one")
    if idle := [one.name for one in rewards if not any(one in own for own in fitting)]:
        raise ConfigError(f"{idle[0]} grades none of the formats: leave it out of `rewards`")
    titles = ["", *(format.name for format in formats)]
    return [
        Part(part, checked(part, own), title)
        for part, own, title in zip(every, fitting, titles, strict=True)
    ]


def checked(
    judge: JudgeRewardModel, rewards: Sequence[RewardStrategy]
) -> tuple[RewardStrategy, ...]:
    """The rewards; raises ConfigError where one cannot grade what will be shown."""
    for reward in rewards:
        reward.check(judge.format, judge.orders)
    return tuple(rewards)


def lay_out(parts: Sequence[Part], tasks: Iterable[JudgmentTask]) -> list[tuple[int, Presentation]]:
    """Every task in every format: the part by its place, and what it is shown.

    Raises ConfigError where formats show a task in different numbers.
    """
    laid = [
        (place, one)
        for task in tasks
        for place, part in enumerate(parts)
        for one in part.judge.presentations(task)
    ]
    check_alike([sum(place == own for own, _ in laid) for place in range(len(parts))])
    return laid


def check_alike(counts: Sequence[int]) -> None:
    """Raise ConfigError unless every part shows as many presentations."""
    if len(set(counts)) > 1:
        raise ConfigError(
            "formats that share a batch must show a task equally often: judge two responses each,"
            ' with orders = "both"'
        )


def functions_of(
    parts: Sequence[Part], laid: Sequence[tuple[int, Presentation]], rollouts: int, read: Decode
) -> list[RewardFunction]:
    """A TRL reward function for each reward of each part; `rollouts` are those of one visit."""
    from j1sdk.training.rollouts import Grader, reward_functions

    shown = [one for _, one in laid]
    made = []
    for place, part in enumerate(parts):
        rows = frozenset(row for row, (own, _) in enumerate(laid) if own == place)
        grader = Grader(part.judge.format, part.rewards, rollouts)
        functions = reward_functions(grader, shown, read)
        made += [of_part(function, rows, part) for function in functions]
    return made


def of_part(function: RewardFunction, rows: frozenset[int], part: Part) -> RewardFunction:
    """A TRL reward function for some rows of the dataset; the others get None from it.

    It goes by its part's title, and so do its metrics: `judge/pointwise/accuracy`.
    """

    def graded(
        *,
        completion_ids: Sequence[Any],
        row: Sequence[int],
        visit: Sequence[int],
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        def log(name: str, value: float) -> None:
            if log_metric:
                log_metric(part.named(name), value)

        places = [place for place, one in enumerate(row) if one in rows]
        values: list[float | None] = [None] * len(row)
        if places:
            own = [[column[place] for place in places] for column in (completion_ids, row, visit)]
            made = function(completion_ids=own[0], row=own[1], visit=own[2], log_metric=log)
            for place, value in zip(places, made, strict=True):
                values[place] = value
        return values

    graded.__name__ = "_".join(filter(None, (part.title.replace("-", "_"), function.__name__)))
    return graded
