"""What must hold for a framework's adapter."""

from __future__ import annotations

import os
import pickle
import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from math import isclose
from typing import Any, ClassVar, NamedTuple, get_args
from unittest import SkipTest

from j1sdk.adapters import Adapter, Scorer
from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, EngineError, UnscoredError
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.testing.components import ComponentContract
from j1sdk.types import Conversation, Sampling

WORTH = re.compile(r"worth (\d|\?)")
THOUGHTS = "<think>I deserve a 9: worth 9</think>"
PROMPT = "Name a colour."
Rewards = list[float | None]


class Row(NamedTuple):
    """One response of a policy, as the contract hands it to a framework."""

    response: str
    group: str = "first"
    prompt: str = PROMPT
    reference: str | None = None


def worth(*values: object, group: str = "first") -> list[Row]:
    """Responses of a group, each with what a judge by rule gives it; `?` is a failed judgment."""
    return [Row(f"It is worth {value}.", group) for value in values]


class AdapterContract(ComponentContract):
    """Failures are never numbers unless declared, groups are whole, the policy's answer is judged.

    `call` says how the framework calls what the adapter gives it.
    """

    abstract: ClassVar[type[Adapter]] = Adapter
    component: Adapter
    grouped: ClassVar[bool] = True
    """Whether the framework hands over the other responses to a prompt, to be ranked with."""

    @abstractmethod
    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> Rewards:
        """The rewards that the framework takes of a batch, None for a row that it leaves out.

        Rows of one group are adjacent, and groups are equally large. May raise UnscoredError.
        """

    def rewards(self, rows: Sequence[Row], format: JudgmentFormat | None = None) -> Rewards:
        """The rewards by a judge that finds in each response what it is worth."""
        judge = judge_by_rule(format or Pointwise())
        return self.call(self.component, self.component.scorer(judge), rows)

    def declaring(self, policy: str) -> Adapter:
        """The adapter with another policy for what has no score."""
        return self.component.replace(unscored=policy)

    @property
    def policies(self) -> tuple[str, ...]:
        """What the adapter allows to declare."""
        return get_args(type(self.component).model_fields["unscored"].annotation)

    def test_scores_arrive(self) -> None:
        assert close(self.rewards(worth(7, 2)), [0.7, 0.2])

    def test_a_failure_is_a_number_only_as_declared(self) -> None:
        scorer = self.component.scorer(judge_by_rule(Pointwise()))
        numbers: dict[str, float | None] = {"drop": None, "neutral": 0.5, "floor": 0.0}
        numbers["group"] = 0.6
        for policy in self.policies:
            adapter = self.declaring(policy)
            if policy == "error":
                raised(UnscoredError, partial(self.call, adapter, scorer, worth(9, "?", 3)))
                continue
            expected = [0.9, numbers[policy], 0.3]
            assert self.call(adapter, scorer, worth(9, "?", 3)) == expected, policy

    def test_no_number_stands_for_a_group_without_scores(self) -> None:
        if "drop" not in self.policies:
            raise SkipTest("this framework leaves nothing out")
        scorer = self.component.scorer(judge_by_rule(Pointwise()))
        assert self.call(self.declaring("drop"), scorer, worth("?", "?")) == [None, None]

    def test_a_group_is_ranked_among_its_own(self) -> None:
        """Also where two groups have one prompt: the better of each is its best."""
        if not self.grouped:
            raise SkipTest("this framework hands over responses one by one")
        rows = [*worth(9, 7), *worth(3, 1, group="second")]
        assert self.rewards(rows, PairwiseScores()) == [1.0, 0.0, 1.0, 0.0]

    def test_the_judge_is_shown_the_answer_without_the_thinking(self) -> None:
        rows = [Row(THOUGHTS + "It is worth 2."), Row("It is worth 3.")]
        assert close(self.rewards(rows), [0.2, 0.3])

    def test_a_response_that_never_ends_its_thinking_has_no_score(self) -> None:
        if "drop" not in self.policies:
            raise SkipTest("this framework leaves nothing out")
        adapter = self.declaring("drop")
        scorer = adapter.scorer(judge_by_rule(Pointwise()))
        rows = [Row("<think>worth 9"), Row("It is worth 3.")]
        assert self.call(adapter, scorer, rows) == [None, 0.3]

    def test_it_can_be_called_again_and_pickled(self) -> None:
        """Frameworks start a fresh event loop per step, and send rewards to other processes."""
        scorer = self.component.scorer(judge_by_rule(Pointwise()))
        first = self.call(self.component, scorer, worth(7, 2))
        adapter, again = pickle.loads(pickle.dumps((self.component, scorer)))
        assert self.call(adapter, again, worth(7, 2)) == first

    def test_a_used_adapter_works_in_a_forked_process(self) -> None:
        scorer = self.component.scorer(judge_by_rule(Pointwise()))
        first = self.call(self.component, scorer, worth(7, 2))
        assert in_child(lambda: self.call(self.component, scorer, worth(7, 2))) == first

    def test_a_server_gives_the_same_rewards(self) -> None:
        from j1sdk.server import Serve, served

        for format in (Pointwise(), PairwiseScores()) if self.grouped else (Pointwise(),):
            own = self.rewards(worth(7, 2), format)
            with served(judge_by_rule(format), Serve(port=0)) as server:
                adapter = self.component.replace(url=server.url)
                assert self.call(adapter, adapter.scorer(None), worth(7, 2)) == own

    def test_it_needs_a_judge(self) -> None:
        raised(ConfigError, lambda: self.component.replace(url=None).scorer(None))


def close(rewards: Rewards, expected: Sequence[float]) -> bool:
    """Whether each is there and as expected, but for rounding."""
    pairs = zip(rewards, expected, strict=True)
    return all(one is not None and isclose(one, other, abs_tol=1e-6) for one, other in pairs)


def raised(kind: type[Exception], work: Callable[[], object]) -> None:
    """Fail unless the work raises this."""
    try:
        work()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__} was raised")


def judge_by_rule(format: JudgmentFormat) -> JudgeRewardModel:
    """A judge that gives each response what it says it is worth, and fails where it says `?`."""
    return JudgeRewardModel(format=format, engine=Scripted(script=by_rule))


def by_rule(conversation: Conversation, sampling: Sampling) -> str | EngineError:
    """The script of `judge_by_rule`, at the top of a module so that it can be pickled."""
    values = WORTH.findall(conversation[-1].content)
    if "?" in values or not values:
        return EngineError("this response cannot be judged")
    format = Pointwise() if len(values) == 1 else PairwiseScores()
    return format.write(tuple(map(float, values)))


def in_child(work: Any) -> Any:
    """What the work returns in a forked child."""
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(write, pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        written = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(written)
