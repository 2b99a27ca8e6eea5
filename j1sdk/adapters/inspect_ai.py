"""A judge as a scorer of Inspect, the evaluation framework of the UK AI Security Institute.

    Task(dataset=..., solver=generate(), scorer=judge.as_reward_function("inspect-ai"))

A pointwise judge scores the model's answer, with the sample's target as a reference answer if it
has one; a pairwise judge compares the answer with the target.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from j1sdk.adapters import Adapter, Item, Scorer
from j1sdk.adapters.answers import conversation, final_answer
from j1sdk.adapters.scores import Outcome, logged, settled


class InspectAI(Adapter):
    """A scorer: the mean score and its standard error over the samples that have one."""

    name: ClassVar[str] = "inspect-ai"
    title: ClassVar[str] = "Inspect"
    distribution: ClassVar[str] = "inspect-ai"
    tested: ClassVar[str] = "0.3.285"
    one_per_worker: ClassVar[bool] = False
    unscored: Literal["drop", "neutral", "floor", "error"] = "drop"
    """What an answer without a score gets: `drop` leaves the sample out of the metrics, and Inspect
    counts it as unscored; 0.5; 0; an UnscoredError, which fails the sample."""

    def reward_function(self, scorer: Scorer) -> Any:
        try:
            from inspect_ai.scorer import mean, stderr
            from inspect_ai.scorer import scorer as registered
        except ImportError as error:
            raise self.absent() from error

        @registered(metrics=[mean(), stderr()], name=scorer.label)  # type: ignore[untyped-decorator]
        def judged() -> Any:
            async def score(state: Any, target: Any) -> Any:
                (outcome,) = await scorer.score([self._item(state, target)])
                return self._score(outcome)

            return score

        return judged()

    def _item(self, state: Any, target: Any) -> Item:
        turns = [{"role": turn.role, "content": turn.text} for turn in state.messages]
        if turns and turns[-1]["role"] == "assistant":  # what is judged
            del turns[-1]
        answer = final_answer(state.output.completion, self.show_thinking)
        return Item(conversation(turns), answer, target.text or None)

    def _score(self, outcome: Outcome) -> Any:
        from inspect_ai.scorer import Score

        (value,) = settled([outcome], self.unscored)
        if value is None:
            return Score.unscored(reason="grader_parse_error", explanation=outcome.detail)
        return Score(value=value, explanation=outcome.detail, metadata=logged(outcome))
