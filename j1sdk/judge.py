"""The judge: a format, an engine, and what to do with their judgments.

    judge = JudgeRewardModel(format=Pointwise(), engine=Transformers(model="my-judge"))
    judge.score(["What is 2+2?"], ["4"])        # [0.9]
    judge.rank("What is 2+2?", ["4", "5"])      # RankedResponses(scores=(1.0, 0.0), ...)
    judge.judge([JudgmentTask.from_pair("2+2?", chosen="4", rejected="5")])

Every method has an `_async` form; the plain one runs the same coroutine on a background loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from j1sdk.background import all_at_once, run
from j1sdk.catalogue import catalogue
from j1sdk.component import Value
from j1sdk.deliberation import deliberate
from j1sdk.engines import Engine
from j1sdk.errors import ConfigError
from j1sdk.files import write_text
from j1sdk.formats import JudgmentFormat
from j1sdk.rankings import Ranking, wins
from j1sdk.rankings.arriving import Arriving
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.runfile import HERE, RUN_FILE, dump, read_tables, validate, versions
from j1sdk.scaling import Samples, Scaling
from j1sdk.scaling.single import Single
from j1sdk.types import (
    Conversation,
    JudgeResult,
    Judgment,
    JudgmentTask,
    Presentation,
    Sampling,
    Usage,
    presentations,
)


class RankedResponses(Value):
    """n responses to one prompt, scored together."""

    scores: tuple[float | None, ...]
    """0 to 1 per response, in the order given; None where no judgment was read."""
    judgments: tuple[Judgment, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Indices of the scored responses, best first; equals keep the order given."""
        scored = [(score, index) for index, score in enumerate(self.scores) if score is not None]
        return tuple(index for score, index in sorted(scored, key=lambda pair: -pair[0]))

    @property
    def usage(self) -> Usage:
        return sum((judgment.usage for judgment in self.judgments), Usage())


class JudgeRewardModel(Value):
    """A judge that scores, compares and ranks responses."""

    format: JudgmentFormat
    """How the judge is asked and its answer is read."""
    engine: Engine
    """The model that judges."""
    orders: Literal["both", "first"] = "both"
    """`first` shows each pair once, in the order given: half the cost, and position bias stays."""
    scaling: Scaling = Field(default_factory=Single)
    """How many judgments are drawn for one, and what they add up to."""
    ranking: Ranking = Field(default_factory=RoundRobin)
    """How a pairwise judge scores more than two responses."""
    sampling: Sampling = Sampling()
    """How the engine draws a completion."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.format.continues and not self.engine.continues:
            raise ConfigError(
                f"{self.format.name} puts words in the judge's mouth, which {self.engine.name}"
                " cannot continue: choose another engine"
            )
        self.scaling.accept(self.format, self.engine, self.sampling)
        if self.format.reads_probabilities and not self.sampling.top_logprobs:
            raise ConfigError(
                f"{self.format.name} reads probabilities: set sampling.top_logprobs, to 20 for"
                " scores and to 5 for verdicts"
            )
        self.engine.accept(self.sampling)
        return self

    async def judge_async(self, tasks: Sequence[JudgmentTask]) -> list[JudgeResult]:
        """Judge each task's responses; a pairwise judge takes tasks of exactly two."""
        if not isinstance(tasks, Sequence) or not all(isinstance(t, JudgmentTask) for t in tasks):
            raise ConfigError(
                "judge takes a list of tasks: judge([JudgmentTask(prompt=..., responses=[...])])"
            )
        return await all_at_once(self._judge_task, tasks)

    def judge(self, tasks: Sequence[JudgmentTask]) -> list[JudgeResult]:
        """Judge each task's responses; a pairwise judge takes tasks of exactly two."""
        return run(self.judge_async(tasks))

    def presentations(self, task: JudgmentTask) -> list[Presentation]:
        """What this judge is shown of a task; raises ConfigError for a number it cannot judge."""
        if self.format.arity == 2 and len(task.responses) != 2:
            raise ConfigError(
                f"task {task.id} has {len(task.responses)} responses, and {self.format.name} judges"
                " two: use rank(prompt, responses), `j1 eval --benchmark pairs --data FILE`, or"
                " format `pointwise`"
            )
        return presentations(task, self.format.arity, both_orders=self.orders == "both")

    async def present_async(self, shown: Presentation) -> Judgment:
        """Judge one presentation, with as many samples as the scaling draws."""
        return await self.scaling.judge(self.samples(shown, partial(self.draw_async, shown)))

    def samples(self, shown: Presentation, draw: Callable[[int], Awaitable[Judgment]]) -> Samples:
        """What a scaling is given of a presentation, of which `draw` gets a sample by number."""
        paired = self.orders == "both" and len(shown.order) == 2
        orders = (shown, shown.replace(order=shown.order[::-1])) if paired else (shown,)
        return Samples(draw, self.engine, self.format, self.sampling, orders)

    async def draw_async(self, shown: Presentation, number: int) -> Judgment:
        """One sample of a presentation's judgment; with a seed, each number gives its own."""
        return await deliberate(self.format, self.engine, self.sampling, shown, number)

    async def score_async(
        self,
        prompts: Sequence[str | Conversation],
        responses: Sequence[str],
        references: Sequence[str] | None = None,
    ) -> list[float | None]:
        """A reward from 0 to 1 per response; None where its judgment failed.

        A pointwise judge's score, scaled; a pairwise judge's mean win over the reference
        response in both orders. Raises ConfigError for a pairwise judge without references.
        """
        if isinstance(prompts, str) or isinstance(responses, str):
            raise ConfigError("score takes two lists: score([prompt, ...], [response, ...])")
        for name, given in (("prompts", prompts), ("references", references)):
            if given is not None and len(given) != len(responses):
                raise ConfigError(f"{len(given)} {name} for {len(responses)} responses")
        if self.format.arity == 1:
            return await self._score_alone(prompts, responses, references)
        if references is None:
            raise ConfigError(
                f"{self.format.name} compares two responses: give `references` to score against,"
                " or use rank(prompt, responses)"
            )
        tasks = [
            JudgmentTask(prompt=prompt, responses=(response, reference))
            for prompt, response, reference in zip(prompts, responses, references, strict=True)
        ]
        return [mean_win(result, 0) for result in await self.judge_async(tasks)]

    def score(
        self,
        prompts: Sequence[str | Conversation],
        responses: Sequence[str],
        references: Sequence[str] | None = None,
    ) -> list[float | None]:
        """As `score_async`."""
        return run(self.score_async(prompts, responses, references))

    def arriving(self, prompt: Conversation, count: int) -> Arriving:
        """To be told of `count` responses as they come, and then handed to `rank_async`."""

        async def compare(first: str, second: str) -> Judgment:
            task = JudgmentTask(prompt=prompt, responses=(first, second))
            return await self.present_async(Presentation(task=task, order=(0, 1)))

        return Arriving(compare, self.ranking.opening(count) if self.format.arity == 2 else [])

    async def rank_async(
        self,
        prompt: str | Conversation,
        responses: Sequence[str],
        arriving: Arriving | None = None,
    ) -> RankedResponses:
        """Score n responses to one prompt together. Responses that are equal share a score.

        `arriving` has judgments that were begun as the responses came; it begins no more.
        """
        if isinstance(responses, str):
            raise ConfigError("rank takes a list of responses: rank(prompt, [first, second, ...])")
        distinct = list(dict.fromkeys(responses))
        if not distinct:
            raise ConfigError("there are no responses to rank")
        task = JudgmentTask(prompt=prompt, responses=tuple(distinct))
        judgments: list[Judgment] = []

        async def present(order: tuple[int, ...]) -> Judgment:
            shown = Presentation(task=task, order=order)
            if not arriving or not (begun := arriving.begun(shown.responses)):
                return await self.present_async(shown)
            known = {"task_id": task.id, "order": order}
            return (await begun.wait()).model_copy(update=known)

        async def judge(orders: Sequence[tuple[int, ...]]) -> list[Judgment]:
            made = await all_at_once(present, orders)
            judgments.extend(made)
            return made

        with arriving or nullcontext():
            scores = await self._scores(len(distinct), judge)
        by_text = dict(zip(distinct, scores, strict=True))
        return RankedResponses(
            scores=tuple(by_text[text] for text in responses), judgments=tuple(judgments)
        )

    async def _scores(
        self, count: int, judge: Callable[[Sequence[tuple[int, ...]]], Awaitable[list[Judgment]]]
    ) -> Sequence[float | None]:
        """A reward from 0 to 1 for each of so many responses, which are judged by their places."""
        if self.format.arity == 1:
            made = await judge([(place,) for place in range(count)])
            return [self.scaled(judgment.score_of(judgment.order[0])) for judgment in made]
        return [0.5] if count == 1 else await self.ranking.rank(count, judge)

    def rank(self, prompt: str | Conversation, responses: Sequence[str]) -> RankedResponses:
        """Score n responses to one prompt together. Responses that are equal share a score."""
        return run(self.rank_async(prompt, responses))

    def as_reward_function(self, framework: str, **options: Any) -> Any:
        """This judge as what a framework takes for a reward, by the adapter of that name.

        `options` are the adapter's. Raises ConfigError.
        """
        kind: type[Any] = catalogue().find("adapters", framework)
        adapter = validate(kind, options, f"the adapter {framework!r}")
        return adapter.reward_function(adapter.scorer(self))

    @classmethod
    def load(cls, directory: str | Path, trust: bool = False, **changes: Any) -> JudgeRewardModel:
        """Open a directory that `save` or a training run wrote; `changes` replace fields.

        Without `trust`, raises ConfigError for a run file that would have things sent or fetched,
        written outside of the directory, or run: it may be a stranger's. What `changes` replace is
        not looked at.
        """
        folder = Path(directory)
        if not (folder / RUN_FILE).is_file():
            raise ConfigError(
                f"{folder} is not a saved judge: it has no {RUN_FILE}. For a plain model, build"
                " JudgeRewardModel(format=..., engine=Transformers(model=...))"
            )
        tables = read_tables(folder / RUN_FILE)
        judge = {**tables.get("judge", {}), **changes}
        where = f"{folder / RUN_FILE}: judge"
        return validate(cls, judge, where, folder=folder.absolute(), trusted=trust)

    def save(self, directory: str | Path) -> None:
        """Write weights, tokenizer and run file, so that `load` opens the directory.

        The run file comes last: a folder that was only half written has none.
        """
        saved = self.save_weights(Path(directory))
        record = {"judge": saved.model_dump(mode="json"), "made_with": versions()}
        write_text(Path(directory) / RUN_FILE, dump(record))

    def save_weights(self, folder: Path) -> Self:
        """Write weights and tokenizer; returns the judge as that folder's run file describes it."""
        folder.mkdir(parents=True, exist_ok=True)
        engine = self.engine.save(folder)
        if (local := engine.local) and local.model == str(folder):
            engine = local.replace(model=HERE)
        return self.replace(engine=engine)

    async def _judge_task(self, task: JudgmentTask) -> JudgeResult:
        return result_of(task, await all_at_once(self.present_async, self.presentations(task)))

    async def _score_alone(
        self,
        prompts: Sequence[str | Conversation],
        responses: Sequence[str],
        references: Sequence[str] | None,
    ) -> list[float | None]:
        known: Sequence[str | None] = references or [None] * len(responses)
        tasks = [
            JudgmentTask(prompt=prompt, responses=(response,), reference=reference)
            for prompt, response, reference in zip(prompts, responses, known, strict=True)
        ]
        results = await self.judge_async(tasks)
        return [self.scaled(result.scores[0]) for result in results]

    def scaled(self, score: float | None) -> float | None:
        """A score of the judge's format as a reward from 0 to 1."""
        low, high = self.format.score_range
        return None if score is None else (score - low) / (high - low)


def result_of(task: JudgmentTask, judgments: Sequence[Judgment]) -> JudgeResult:
    """Mean score per response, where every order it was shown in was read.

    With an order missing, position bias would not cancel, so there is no score.
    """
    return JudgeResult(
        task=task,
        judgments=tuple(judgments),
        scores=tuple(_mean_score(judgments, index) for index in range(len(task.responses))),
    )


def _mean_score(judgments: Sequence[Judgment], response: int) -> float | None:
    by_order: dict[tuple[int, ...], list[float]] = {}
    for judgment in judgments:
        if response in judgment.order:
            scores = by_order.setdefault(judgment.order, [])
            if (score := judgment.score_of(response)) is not None:
                scores.append(score)
    if not by_order or not all(by_order.values()):
        return None
    return fmean(fmean(scores) for scores in by_order.values())


def mean_win(result: JudgeResult, response: int) -> float | None:
    """Mean of 1 for a win, 0.5 for a tie and 0 for a loss; None where a judgment failed."""
    if not all(judgment.ok for judgment in result.judgments):
        return None
    return fmean(wins(result.judgments, response))
