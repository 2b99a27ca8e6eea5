"""The score of a policy's response, alone or in its group, and what stands for a missing one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from j1sdk.background import all_at_once
from j1sdk.errors import UnscoredError
from j1sdk.judge import JudgeRewardModel, mean_win
from j1sdk.rankings.arriving import Arriving
from j1sdk.types import Conversation, Judgment, JudgmentTask

Unscored = Literal["drop", "group", "neutral", "floor", "error"]
"""What a response without a score gets: nothing, the mean of its scored siblings, 0.5, 0, or an
UnscoredError."""
Reason = Literal["judgment", "deadline", "cohort", "unfinished", "reference"]
"""Why there is no score: a judgment failed; none came in time; there was nothing to rank with; the
policy came to no answer; a pairwise judge had no reference to compare with."""
UNSCORED_RATE = "j1/unscored"
"""The share of responses without a score, by the name it is logged under everywhere."""
Note = Callable[[Conversation, Sequence[str], Sequence[Judgment]], None]
"""Told of every judgment, with the prompt and the responses that its order counts."""


@dataclass(frozen=True, slots=True)
class Item:
    """One response to score. Equal items are one question."""

    prompt: Conversation
    response: str | None
    """The policy's answer; None where it came to none."""
    reference: str | None = None
    group: str = ""
    """Which of several groups with this prompt it belongs to, where the framework says so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one response."""

    score: float | None
    """0 to 1; None with a reason."""
    reason: Reason | None = None
    detail: str = ""
    tokens: float = 0.0
    """Tokens spent on this response: of a ranking, its share."""
    group_mean: float = 0.5
    """Mean score of the group; 0.5 where no response of it has one."""


UNFINISHED = Outcome(None, "unfinished", "the policy's turn ended before its answer began")
UNCOMPARED = Outcome(None, "reference", "there is no reference answer to compare with")
UNRANKED = Outcome(None, "cohort", "no other response of its group to compare with")


def late(seconds: float) -> Outcome:
    """The outcome where the deadline came first."""
    return Outcome(None, "deadline", f"no score within {seconds:g} s")


def unnoted(prompt: Conversation, responses: Sequence[str], judgments: Sequence[Judgment]) -> None:
    """A Note for those who need none."""


async def score_alone(judge: JudgeRewardModel, item: Item, note: Note = unnoted) -> Outcome:
    """A pointwise judge's score, from 0 to 1, or the mean win over the reference."""
    if item.response is None:
        return UNFINISHED
    alone = judge.format.arity == 1
    if not alone and item.reference is None:
        return UNCOMPARED
    task = JudgmentTask(
        prompt=item.prompt,
        responses=(item.response,) if alone else (item.response, item.reference or ""),
        reference=item.reference if alone else None,
    )
    (result,) = await judge.judge_async([task])
    note(task.prompt, task.responses, result.judgments)
    score = judge.scaled(result.scores[0]) if alone else mean_win(result, 0)
    return outcome_of(score, result.judgments)


async def score_group(
    judge: JudgeRewardModel,
    group: Sequence[Item],
    note: Note = unnoted,
    arriving: Arriving | None = None,
) -> list[Outcome]:
    """Every response's score among all responses to its prompt, which the group shares."""
    answers = [item.response for item in group if item.response is not None]
    if len(answers) < judge.format.arity:
        return [UNFINISHED if item.response is None else UNRANKED for item in group]
    ranked = await judge.rank_async(group[0].prompt, answers, arriving)
    note(group[0].prompt, tuple(dict.fromkeys(answers)), ranked.judgments)
    share, scores = 1 / len(answers), iter(ranked.scores)
    return with_group_mean(
        [
            UNFINISHED
            if item.response is None
            else outcome_of(next(scores), ranked.judgments, share)
            for item in group
        ]
    )


async def score_together(
    judge: JudgeRewardModel, items: Sequence[Item], note: Note = unnoted
) -> list[Outcome]:
    """The outcome of each of some responses to one prompt, and their mean.

    A judge that compares ranks them among each other; one response, and those with a reference
    answer to be compared with, are scored alone.
    """
    if is_ranked(judge, items):
        return await score_group(judge, items, note)
    return with_group_mean(await all_at_once(lambda item: score_alone(judge, item, note), items))


def is_ranked(judge: JudgeRewardModel, items: Sequence[Item]) -> bool:
    """Whether responses are compared with each other, and not each with its reference."""
    alone = len(items) < 2 or any(item.reference is not None for item in items)
    return judge.format.arity > 1 and not alone


def with_group_mean(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of one group, each told the group's mean."""
    scores = [outcome.score for outcome in outcomes if outcome.score is not None]
    mean = fmean(scores) if scores else 0.5
    return [replace(outcome, group_mean=mean) for outcome in outcomes]


def outcome_of(score: float | None, judgments: Sequence[Judgment], share: float = 1.0) -> Outcome:
    """The outcome of judgments that were made; without a score, the first that failed says why."""
    return Outcome(
        score=score,
        reason="judgment" if score is None else None,
        detail=first_failure(judgments) if score is None else "",
        tokens=share * sum(tokens_of(judgment) for judgment in judgments),
    )


def settled(outcomes: Sequence[Outcome], unscored: Unscored) -> list[float | None]:
    """The scores, with what was declared for each that is missing; raises UnscoredError."""
    missing = [outcome for outcome in outcomes if outcome.score is None]
    if missing and unscored == "error":
        raise UnscoredError(
            f"{len(missing)} of {len(outcomes)} responses could not be scored, and unscored ="
            f' "error": {missing[0].detail}'
        )
    return [_settled(outcome, unscored) for outcome in outcomes]


def _settled(outcome: Outcome, unscored: Unscored) -> float | None:
    if outcome.score is not None:
        return outcome.score
    constants = {"neutral": 0.5, "floor": 0.0}
    return outcome.group_mean if unscored == "group" else constants.get(unscored)


def numbers(outcomes: Sequence[Outcome], unscored: Unscored) -> list[float]:
    """As `settled`, for a framework that takes nothing but numbers, where `drop` is no choice."""
    return [score for score in settled(outcomes, unscored) if score is not None]


def unscored_rate(outcomes: Sequence[Outcome]) -> float:
    """Share of responses without a score of their own."""
    missing = sum(outcome.score is None for outcome in outcomes)
    return missing / len(outcomes) if outcomes else 0.0


def logged(outcome: Outcome) -> dict[str, float]:
    """What a trainer logs of one response, under the same keys whatever became of it."""
    return {
        "j1/scored": float(outcome.score is not None),
        UNSCORED_RATE: float(outcome.score is None),
        "j1/tokens": float(outcome.tokens),
    }


def tokens_of(judgment: Judgment) -> int:
    """Tokens read and written."""
    return judgment.usage.prompt_tokens + judgment.usage.completion_tokens


def first_failure(judgments: Sequence[Judgment]) -> str:
    """The status and complaint of the first judgment that failed."""
    failed = (f"{judgment.status}: {judgment.detail}" for judgment in judgments if not judgment.ok)
    return next(failed, "no judgment was read")
