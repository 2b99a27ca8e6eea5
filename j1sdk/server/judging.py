"""`POST /v1/judge`: all a judge has to say, in words of our own."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from j1sdk.component import Value
from j1sdk.formats import JudgmentFormat
from j1sdk.judge import RankedResponses
from j1sdk.server.desk import Desk, Verdict
from j1sdk.server.outcomes import first_failure
from j1sdk.server.refusals import Unreadable
from j1sdk.types import Conversation, Judgment, JudgmentTask, winner


class Ask(Value):
    """A prompt and its responses.

    What fails has the score null and says so in `status` and `detail`, with HTTP 200: no policy
    for the unscored applies here, and no number stands for a judgment.
    """

    prompt: Conversation = Field(min_length=1)
    responses: tuple[str, ...] = Field(min_length=1)
    reference: str | None = None

    def task(self, format: JudgmentFormat) -> JudgmentTask:
        """What the judge is to judge; raises Unreadable."""
        if format.arity == 2 and len(self.responses) == 1:
            raise Unreadable(f"{format.name} compares responses: send two or more")
        if format.arity == 2 and len(self.responses) > 2 and self.reference is not None:
            raise Unreadable("a ranking of more than two responses is shown no reference")
        return JudgmentTask(**dict(self))


def answer(verdict: Verdict | None, task: JudgmentTask, desk: Desk) -> dict[str, Any]:
    """The verdict as JSON."""
    if verdict is None:
        late = f"no verdict within {desk.options.deadline:g} s"
        nothing = [None] * len(task.responses)
        return {"status": "deadline", "detail": late, "scores": nothing, "judgments": []}
    ranked = isinstance(verdict, RankedResponses)
    missing = None in verdict.scores
    return {
        "status": "unscored" if missing else "ok",
        "detail": first_failure(verdict.judgments) if missing else "",
        "scores": verdict.scores,
        "range": (0.0, 1.0) if ranked else desk.judge.format.score_range,
        "preferred": winner(verdict.scores) if len(verdict.scores) > 1 else None,
        "consistent": None if isinstance(verdict, RankedResponses) else verdict.consistent,
        "judgments": [_shown(judgment) for judgment in verdict.judgments],
        "usage": verdict.usage.model_dump(),
    }


def _shown(judgment: Judgment) -> dict[str, Any]:
    return {
        "status": judgment.status.value,
        "detail": judgment.detail,
        "order": judgment.order,
        "scores": judgment.scores,
        "text": judgment.text,
        "usage": judgment.usage.model_dump(),
    }
