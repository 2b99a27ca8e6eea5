"""The contract suite passes for everything we ship, and every check in it can fail."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from j1sdk_quickstart.tasks import Arithmetic
from pydantic import Field, PrivateAttr, field_serializer

from j1sdk import (
    Completion,
    Conversation,
    EngineError,
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentStatus,
    JudgmentTask,
    Message,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Presentation,
    Ranking,
    Reading,
    Sampling,
    Scores,
    Scripted,
    Source,
    Transformers,
    Turn,
    Unparseable,
)
from j1sdk.background import run
from j1sdk.data import Demonstration, JudgmentPreference
from j1sdk.data.jsonl import JsonLines
from j1sdk.errors import ConfigError, PluginError
from j1sdk.formats.sections import conversation, follows
from j1sdk.rankings import JudgePairs
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.testing import (
    Compare,
    ComponentContract,
    EngineContract,
    FormatContract,
    RankingContract,
    RewardContract,
    SourceContract,
    always_first,
    example_presentations,
    example_tasks,
    isolated_catalogue,
    judged,
    oracle,
)

# What we ship passes.


class TestPairwiseVerdict(FormatContract):
    component = PairwiseVerdict()


class TestPlannedVerdict(FormatContract):
    component = PairwiseVerdict(thinking="plan")


class TestLenientVerdict(FormatContract):
    component = PairwiseVerdict(lenient=True)


class TestPairwiseScores(FormatContract):
    component = PairwiseScores()
    examples = ((7.5, 4.0), (3.0, 3.0), (0.1, 9.9))


class TestLenientScores(FormatContract):
    component = PairwiseScores(lenient=True, low=-1, high=1)


class TestPairwiseVerdictScores(FormatContract):
    component = PairwiseVerdictScores()


class TestPointwise(FormatContract):
    component = Pointwise()
    examples = ((7.5,),)


class TestPlannedPointwise(FormatContract):
    component = Pointwise(thinking="plan", low=1, high=5)


class TestScripted(EngineContract):
    component = Scripted(script=lambda asked, sampling: f"{asked[0].content} " * 20)


class TestTransformers(EngineContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def build(cls, tiny_model: Path) -> None:
        cls.component = Transformers(model=str(tiny_model), device="cpu")


class TestVerdictCorrectness(RewardContract):
    component = VerdictCorrectness(unparseable=-1.0, tied=-0.5)
    failed = -1.0


class TestVerdictConsistency(RewardContract):
    component = VerdictConsistency(weight=2.0)


class TestPairedWithAll(RewardContract):
    component = VerdictConsistency(pairing="all", unparseable=-2.0)
    failed = -2.0


class TestScoreOrdering(RewardContract):
    component = ScoreOrdering()


class TestFormatAdherence(RewardContract):
    component = FormatAdherence()


class TestRoundRobin(RankingContract):
    component = RoundRobin()


class TestJsonLines(SourceContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        records = [{"prompt": f"{n}+{n}?", "chosen": f"{2 * n}", "rejected": "?"} for n in range(5)]
        path = tmp_path / "pairs.jsonl"
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        self.component = JsonLines(path=path)


class TestArithmetic(SourceContract):
    component = Arithmetic(limit=20)


# What is broken fails, check by check.


class Verdict(PairwiseVerdict):
    """Ours, to be broken."""

    name = "verdict"


class Inner(ComponentContract):
    abstract = JudgmentFormat


class WithCapitals(Verdict):
    name = "My Verdict"


class Forgetful(Verdict):
    """Its option is written so that dumping loses what it holds."""

    name = "forgetful"
    inner: JudgmentFormat = Field(default=PairwiseScores(high=3))

    @field_serializer("inner")
    def _only_its_name(self, inner: JudgmentFormat) -> str:
        return inner.name


class OfThree(Verdict):
    name = "of-three"
    arity = 3  # type: ignore[assignment]


class UndeclaredTags(Verdict):
    name = "undeclared-tags"
    markers = ("[[A]]", "[[B]]")


class UnbreakableMarker(Verdict):
    name = "unbreakable-marker"
    markers = (*PairwiseVerdict.markers, "A")


class EmptyRange(Verdict):
    name = "empty-range"

    @property
    def score_range(self) -> tuple[float, float]:
        return (1.0, 1.0)


class EndlessRange(Verdict):
    name = "endless-range"

    @property
    def score_range(self) -> tuple[float, float]:
        return (0.0, math.inf)


class WritesTheOther(Verdict):
    name = "writes-the-other"

    def write(self, scores: Scores, thought: str = "") -> str:
        return super().write(scores[::-1], thought)


class NeverB(Verdict):
    name = "never-b"

    def write(self, scores: Scores, thought: str = "") -> str:
        if scores[0] <= scores[1]:
            raise ValueError("B is never better")
        return super().write(scores, thought)


class OneLineThoughts(Verdict):
    name = "one-line-thoughts"

    def parse(self, text: str) -> Scores:
        if "\n\n" in text:
            raise Unparseable("too long a thought")
        return super().parse(text)


class Guessing(Verdict):
    name = "guessing"

    def parse(self, text: str) -> Scores:
        return (1.0, 0.0) if "[[A]]" in text else (0.0, 1.0)


class Careless(Verdict):
    name = "careless"

    def parse(self, text: str) -> Scores:
        return super().parse(text.partition("</think>")[2].split()[0])


class OutOfBounds(Pointwise):
    name = "out-of-bounds"

    def parse(self, text: str) -> Scores:
        number = text.partition("<score>")[2].partition("</score>")[0]
        if not number.isascii() or not number.isdigit():
            raise Unparseable("no number")
        return (float(number),)


class ThreeScores(Verdict):
    name = "three-scores"

    def parse(self, text: str) -> Scores:
        return (*super().parse(text), 0.0)


class WithoutMarkers(Verdict):
    name = "without-markers"
    markers = ()


class Unquoting(Verdict):
    name = "unquoting"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(super().render(shown)[0].content.replace("[ [", "[["))


class Backwards(Verdict):
    name = "backwards"

    def render(self, shown: Presentation) -> Conversation:
        return super().render(shown.model_copy(update={"order": shown.order[::-1]}))


class FirstOnly(Verdict):
    name = "first-only"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"{shown.prompt}\n{shown.responses[0]}")


class ShowsEverything(Pointwise):
    name = "shows-everything"

    def render(self, shown: Presentation) -> Conversation:
        return conversation("\n".join((super().render(shown)[0].content, *shown.task.responses)))


class LastMessageOnly(Verdict):
    name = "last-message-only"

    def render(self, shown: Presentation) -> Conversation:
        return conversation("\n".join((shown.prompt[-1].content, *shown.responses)))


class Leaking(Verdict):
    name = "leaking"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"{super().render(shown)[0].content}\nHint: {shown.gold}")


class Numbering(Verdict):
    name = "numbering"

    def render(self, shown: Presentation) -> Conversation:
        return conversation(f"Task {shown.task.id}\n{super().render(shown)[0].content}")


class NothingAsked(Verdict):
    name = "nothing-asked"

    def render(self, shown: Presentation) -> Conversation:
        (asked,) = super().render(shown)
        return (asked.model_copy(update={"role": "system"}),)


class AdheresToOthers(Verdict):
    name = "adheres-to-others"

    def adheres(self, text: str) -> bool:
        return follows(text, self.sections[::-1])


class AlwaysAdheres(Verdict):
    name = "always-adheres"

    def adheres(self, text: str) -> bool:
        return True


class Contrary(Verdict):
    name = "contrary"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        completion = yield Turn(say=self.render(shown))
        return Reading(scores=self.parse(completion.text)[::-1])


class Fussy(Verdict):
    name = "fussy"

    def deliberate(self, shown: Presentation) -> Generator[Turn, Completion, Reading]:
        completion = yield Turn(say=self.render(shown))
        self.parse(completion.text)
        raise Unparseable("not to my taste")


class Talker(Scripted):
    """Keeps the contract; subclasses break it."""

    name = "talker"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        answer = " ".join(message.content for message in conversation)
        return await Scripted(answers=(f"Well, {answer} " * 5,)).complete(conversation, sampling)


class Rewriting(Talker):
    """What it would have written, with some fields changed."""

    name = "rewriting"
    changes: dict[str, Any] = {}

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        return written.model_copy(update=self.changes)


class MixingUp(Talker):
    name = "mixing-up"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._asked.append(conversation)
        return await super().complete(self._asked[len(self._asked) // 2], sampling)


class Parrot(Talker):
    name = "parrot"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        return written.model_copy(update={"text": conversation[-1].content + written.text})


class DropsTheLast(Talker):
    name = "drops-the-last"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await super().complete(conversation[:1], sampling)


class Changed(Talker):
    """Asks with another sampling than it was given."""

    name = "changed"
    update: dict[str, Any] = {}

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        return await super().complete(conversation, sampling.model_copy(update=self.update))


class CutsTheStopString(Talker):
    name = "cuts-the-stop-string"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        written = await super().complete(conversation, sampling)
        for stop in sampling.stop:
            written = written.model_copy(update={"text": written.text.removesuffix(stop)})
        return written


class KeepsCount(Talker):
    """Holds what it has opened among its own attributes."""

    name = "keeps-count"
    _number: list[int] = PrivateAttr(default_factory=list)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._number.append(1)
        return await super().complete(conversation, sampling)


class NeverTheSame(Talker):
    name = "never-the-same"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self._asked.append(conversation)
        counted = Message(role="user", content=f"number {len(self._asked)}")
        return await super().complete((counted, *conversation), sampling)


class NeverTheSameWhenGreedy(NeverTheSame):
    name = "never-the-same-when-greedy"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if sampling.temperature:
            return await Talker().complete(conversation, sampling)
        return await super().complete(conversation, sampling)


class Raising(Talker):
    name = "raising"
    error: Any = Field(default=None, exclude=True)

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        if len(conversation[0].content) > 10_000:
            raise self.error
        return await super().complete(conversation, sampling)


class Correctness(VerdictCorrectness):
    """Ours, to be broken."""

    name = "correctness"


class OneTooFew(Correctness):
    name = "one-too-few"

    def grade(self, *graded: Any) -> list[float]:
        return super().grade(*graded)[1:]


class NotFinite(Correctness):
    name = "not-finite"

    def grade(self, *graded: Any) -> list[float]:
        return [reward or math.nan for reward in super().grade(*graded)]


class ByPlace(Correctness):
    name = "by-place"
    scope: ClassVar[Literal["judgment", "task"]] = "task"

    def grade(self, *graded: Any) -> list[float]:
        return [reward / (place + 1) for place, reward in enumerate(super().grade(*graded))]


class ByNeighbour(Correctness):
    """Pairs rollout i with what comes before it in the list, whatever that is."""

    name = "by-neighbour"

    def grade(self, *graded: Any) -> list[float]:
        alone = super().grade(*graded)
        before = [alone[0], *alone[:-1]]
        return [a * b if len(alone) > 1 else a for a, b in zip(alone, before, strict=True)]


class Centred(Correctness):
    """Says that it looks at one rollout, and looks at all."""

    name = "centred"

    def grade(self, *graded: Any) -> list[float]:
        rewards = super().grade(*graded)
        return [reward - sum(rewards) / len(rewards) for reward in rewards]


class Weighing(Correctness):
    name = "weighing"

    def grade(self, *graded: Any) -> list[float]:
        return [self.weight * reward for reward in super().grade(*graded)]


class TakesEverything(Correctness):
    name = "takes-everything"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        return


class TakesNothing(Correctness):
    name = "takes-nothing"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        raise ConfigError("no")


class TakesOneOrder(VerdictConsistency):
    name = "takes-one-order"

    def check(self, format: JudgmentFormat, orders: Literal["both", "first"]) -> None:
        super().check(format, "both")


class RankingOf(Ranking):
    """Round robin with its scores, its pairs or its judgments changed."""

    name = "ranking-of"
    scores: Any = Field(default=None, exclude=True)
    pairs: Any = Field(default=None, exclude=True)

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        if self.pairs:
            await judge(self.pairs(count))
        ranked = await RoundRobin().rank(count, judge)
        return tuple(self.scores(ranked)) if self.scores else ranked


class FailedIsLost(Ranking):
    name = "failed-is-lost"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(itertools.permutations(range(count), 2))
        verdicts = [judgment.verdict() for judgment in await judge(pairs)]
        return tuple(verdicts.count(place) / (2 * count - 2) for place in range(count))


class OneOrder(Ranking):
    name = "one-order"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        pairs = list(itertools.combinations(range(count), 2))
        verdicts = [judgment.verdict() for judgment in await judge(pairs)]
        return tuple(verdicts.count(place) / (count - 1) for place in range(count))


class Lazy(Ranking):
    name = "lazy"

    async def rank(self, count: int, judge: JudgePairs) -> tuple[float | None, ...]:
        return (0.5,) * count


class Pairs(Source):
    """Tasks from a list, which subclasses spoil."""

    name = "pairs"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield from example_tasks()


class Restless(Pairs):
    name = "restless"
    seed: list[int] = Field(default=[0], exclude=True)

    def tasks(self) -> Iterator[JudgmentTask]:
        self.seed[0] += 1
        for number in range(3):
            yield JudgmentTask.from_pair(f"{self.seed[0]} {number}?", "yes", "no")


class Single(Pairs):
    name = "single"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield example_tasks()[0]


class NoTasks(Pairs):
    name = "no-tasks"

    def tasks(self) -> Iterator[Any]:
        yield from [{"prompt": "?"}, {"prompt": "!"}]


class Repeating(Pairs):
    name = "repeating"

    def tasks(self) -> Iterator[JudgmentTask]:
        yield from (*example_tasks(), example_tasks()[0])


class Unlimited(Pairs):
    name = "unlimited"

    def load(self) -> list[JudgmentTask]:
        return list(self.tasks())


class Misleading(Pairs):
    name = "misleading"

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        for example in super().demonstrations(format, seed):
            yield example.model_copy(update={"answer": format.write((1.0, 0.0))})


class Reversed(Pairs):
    name = "reversed"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"chosen": pair.rejected, "rejected": pair.chosen})


class Indifferent(Pairs):
    name = "indifferent"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"rejected": pair.chosen})


class Mumbling(Pairs):
    """Rejects what is no judgment at all: that is fine."""

    name = "mumbling"

    def preferences(self, format: JudgmentFormat, seed: int) -> Iterator[JudgmentPreference]:
        for pair in super().preferences(format, seed):
            yield pair.model_copy(update={"rejected": "hm"})


NAMED = "test_can_be_named_in_a_run_file"
Broken = tuple[type[ComponentContract], Any, str, str]
BROKEN: list[Broken] = [
    (Inner, WithCapitals(), NAMED, "name 'My Verdict'"),
    (Inner, Forgetful(), NAMED, "loses option 'inner'"),
    *[
        (FormatContract, component, "test_declares_what_it_shows_and_what_has_a_meaning", reason)
        for component, reason in [
            (OfThree(), "one response is shown, or two"),
            (UndeclaredTags(), "'<think>' is a section's tag and no marker"),
            (UnbreakableMarker(), "marker 'A' cannot be broken"),
            (EmptyRange(), "the range is empty"),
            (EndlessRange(), "the range is not finite"),
        ]
    ],
    *[
        (FormatContract, component, "test_reads_what_it_writes", reason)
        for component, reason in [
            (WritesTheOther(), "was written for"),
            (NeverB(), r"cannot write \{\(0.0, 1.0\)\}"),
            (OneLineThoughts(), "was written for"),
        ]
    ],
    *[
        (FormatContract, component, "test_reads_scores_or_raises_what_it_may", reason)
        for component, reason in [
            (Guessing(), "reads scores out of ''"),
            (Careless(), "list index out of range"),
            (OutOfBounds(), "out of range"),
            (ThreeScores(), r"reads \(.*, .*, 0.0\) from"),
        ]
    ],
    *[
        (FormatContract, component, "test_breaks_answers_injected_into_responses", reason)
        for component, reason in [
            (WithoutMarkers(), "markers do not break"),
            (Unquoting(), r"a response can put '\[\[a\]\]' into the prompt"),
            (NothingAsked(), "nothing is asked"),
        ]
    ],
    *[
        (FormatContract, component, "test_shows_the_prompt_and_the_responses_in_order", reason)
        for component, reason in [
            (Backwards(), "in another order"),
            (FirstOnly(), "a response is not shown"),
            (ShowsEverything(), "out of turn"),
            (LastMessageOnly(), "prompt not shown"),
        ]
    ],
    *[
        (FormatContract, component, "test_does_not_show_the_label", "the prompt depends on")
        for component in (Leaking(), Numbering())
    ],
    (FormatContract, AdheresToOthers(), "test_adheres_to_its_own_sections", "does not adhere"),
    (FormatContract, AlwaysAdheres(), "test_adheres_to_its_own_sections", "nothing adheres"),
    (FormatContract, Contrary(), "test_deliberates_to_what_the_judge_means", "another response"),
    (FormatContract, Fussy(), "test_deliberates_to_what_the_judge_means", "not to my taste"),
    (EngineContract, Rewriting(changes={"text": ""}), "test_completes", "nothing was written"),
    (EngineContract, Changed(update={"max_new_tokens": 99}), "test_completes", "wrote too much"),
    (EngineContract, MixingUp(), "test_completes_many_at_once", "depends on what else"),
    (EngineContract, Parrot(), "test_continues_an_assistant_message", "repeats what it continues"),
    (EngineContract, DropsTheLast(), "test_continues_an_assistant_message", "drops"),
    (EngineContract, Changed(update={"stop": ()}), "test_ends_with_a_stop_string", "behind"),
    (EngineContract, CutsTheStopString(), "test_ends_with_a_stop_string", "did not end"),
    (
        EngineContract,
        Rewriting(changes={"finish_reason": "length"}),
        "test_ends_with_a_stop_string",
        "no limit ended it",
    ),
    *[
        (EngineContract, component, "test_respects_the_token_limit", reason)
        for component, reason in [
            (Changed(update={"max_new_tokens": 5}), "more tokens"),
            (Rewriting(changes={"text": "always this"}), "more text"),
            (Rewriting(changes={"finish_reason": "stop"}), "does not say that it was cut"),
        ]
    ],
    (EngineContract, KeepsCount(), "test_is_its_options_also_when_used", "keep what it opens"),
    (EngineContract, NeverTheSame(), "test_repeats_itself_with_a_seed", "'seed': 1"),
    (EngineContract, NeverTheSameWhenGreedy(), "test_repeats_itself_with_a_seed", "temperature"),
    (
        EngineContract,
        Raising(error=ValueError("too long")),
        "test_fails_only_with_engine_error",
        "too long",
    ),
    (
        EngineContract,
        Raising(error=EngineError()),
        "test_fails_only_with_engine_error",
        "without a word",
    ),
    (RewardContract, OneTooFew(), "test_gives_one_reward_per_judgment", "not one reward"),
    (RewardContract, NotFinite(), "test_gives_one_reward_per_judgment", "not all finite"),
    (
        RewardContract,
        Correctness(unparseable=0.25),
        "test_gives_failed_judgments_what_it_declares",
        "a failed one earns 0.25",
    ),
    (
        RewardContract,
        ByPlace(),
        "test_does_not_depend_on_how_siblings_are_mixed",
        "the order of groups counts",
    ),
    (
        RewardContract,
        ByNeighbour(),
        "test_does_not_depend_on_how_siblings_are_mixed",
        "how the groups are mixed",
    ),
    (RewardContract, Centred(), "test_judges_each_rollout_alone_if_it_says_so", "siblings count"),
    (
        RewardContract,
        Correctness(right=0, wrong=1),
        "test_does_not_pay_for_being_wrong",
        "wrong pays",
    ),
    (RewardContract, Weighing(), "test_leaves_the_weight_to_the_trainer", "applied twice"),
    *[
        (RewardContract, component, "test_refuses_what_it_cannot_grade", reason)
        for component, reason in [
            (TakesEverything(), "check is wrong about pointwise"),
            (TakesNothing(), "check is wrong about pairwise-verdict"),
            (TakesOneOrder(), "it needs both orders"),
        ]
    ],
    *[
        (RankingContract, component, "test_ranks_as_a_perfect_judge_does", reason)
        for component, reason in [
            (RankingOf(scores=lambda scores: scores[::-1]), "the best of .* is not alone on top"),
            (RankingOf(scores=lambda scores: scores[1:]), "not one score per response"),
            (RankingOf(scores=lambda scores: [2 * one for one in scores]), "not from 0 to 1"),
            (
                RankingOf(scores=lambda scores: [float(one == 1) for one in scores]),
                r"\(0, 2, 1, 3\) is ranked",
            ),
            (Lazy(), "not alone on top"),
        ]
    ],
    (
        RankingContract,
        RankingOf(scores=lambda scores: [one or 0.0 for one in scores]),
        "test_has_no_scores_where_nothing_was_read",
        "come from no judgment",
    ),
    (RankingContract, FailedIsLost(), "test_takes_a_failed_judgment_for_missing", "has a score"),
    (
        RankingContract,
        RankingOf(scores=lambda scores: [*scores[:1], *scores[:0:-1]]),
        "test_takes_a_failed_judgment_for_missing",
        "failed judgments change the others",
    ),
    (RankingContract, OneOrder(), "test_prefers_nothing_on_position_alone", "position bias"),
    (
        RankingContract,
        RankingOf(pairs=lambda count: [(0, 0)]),
        "test_asks_for_pairs_and_no_more_than_there_are",
        "these are no pairs",
    ),
    (
        RankingContract,
        RankingOf(pairs=lambda count: [(0, 1)]),
        "test_asks_for_pairs_and_no_more_than_there_are",
        "more judgments",
    ),
    (RankingContract, Lazy(), "test_has_every_judgment_reported", "not reported"),
    (SourceContract, Restless(), "test_yields_the_same_tasks_each_time", "differs"),
    (SourceContract, Single(), "test_yields_the_same_tasks_each_time", "says little"),
    (SourceContract, NoTasks(), "test_yields_the_same_tasks_each_time", "no tasks"),
    (SourceContract, Repeating(), "test_gives_each_task_its_own_id", "used twice"),
    (SourceContract, Unlimited(), "test_respects_the_limit", "not the first task"),
    (SourceContract, Misleading(), "test_demonstrates_what_gold_says", "is wrong"),
    (SourceContract, Reversed(), "test_prefers_what_gold_says", "preferred is wrong"),
    (SourceContract, Indifferent(), "test_prefers_what_gold_says", "rejected is right"),
]


def suite(contract: type[ComponentContract], component: object) -> ComponentContract:
    made: ComponentContract = type("Suite", (contract,), {"component": component})()
    return made


@pytest.mark.parametrize(
    "contract, component, check, reason",
    BROKEN,
    ids=[f"{component.name}-{check}" for _, component, check, _ in BROKEN],
)
def test_what_breaks_the_contract_is_caught(
    contract: type[ComponentContract], component: Any, check: str, reason: str
) -> None:
    with pytest.raises(Exception, match=reason) as caught:
        getattr(suite(contract, component), check)()
    foreseen = isinstance(caught.value, AssertionError)
    assert foreseen or isinstance(component, (Careless, Raising)), "the suite itself broke"


def checks(contract: type[ComponentContract]) -> set[str]:
    return {name for name in dir(contract) if name.startswith("test_")}


@pytest.mark.parametrize(
    "contract", [FormatContract, EngineContract, RewardContract, RankingContract, SourceContract]
)
def test_every_check_has_something_that_it_catches(contract: type[ComponentContract]) -> None:
    broken = {check for of, _, check, _ in BROKEN if of in (contract, Inner)}
    assert checks(contract) == broken


@pytest.mark.parametrize(
    "contract, component",
    [
        (FormatContract, Verdict()),
        (EngineContract, Talker()),
        (RewardContract, Correctness()),
        (RankingContract, RankingOf()),
        (SourceContract, Pairs()),
        (SourceContract, Mumbling()),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_what_the_broken_ones_are_made_from_is_sound(
    contract: type[ComponentContract], component: Any
) -> None:
    for check in checks(contract):
        getattr(suite(contract, component), check)()


class TestOptions:
    def test_an_example_that_cannot_be_written_fails(self) -> None:
        class Suite(FormatContract):
            component = PairwiseScores()
            examples: Sequence[Scores] = ((7.25, 1.0),)

        with pytest.raises(AssertionError, match=r"cannot write \(7.25, 1.0\)"):
            Suite().test_reads_what_it_writes()

    def test_an_engine_without_seeds_need_not_repeat_itself(self) -> None:
        class Suite(EngineContract):
            component = NeverTheSame()
            repeatable = False

        for check in checks(Suite):
            getattr(Suite(), check)()

    def test_a_ranking_of_the_best_need_not_order_the_rest(self) -> None:
        class Suite(RankingContract):
            component = RankingOf(scores=lambda ranked: [one and float(one == 1) for one in ranked])
            total = False

        Suite().test_ranks_as_a_perfect_judge_does()
        with pytest.raises(AssertionError, match="is ranked"):
            suite(RankingContract, Suite.component).test_ranks_as_a_perfect_judge_does()  # type: ignore[attr-defined]


class TestJudges:
    @pytest.mark.parametrize("form", [PairwiseVerdict(), PairwiseScores(), Pointwise()])
    def test_the_oracle_is_always_right(self, form: JudgmentFormat) -> None:
        tasks = example_tasks()
        results = JudgeRewardModel(format=form, engine=oracle(form, tasks)).judge(tasks)
        assert [result.preferred for result in results] == [task.preferred for task in tasks]

    def test_the_oracle_does_not_guess(self) -> None:
        form = PairwiseVerdict()
        judge = JudgeRewardModel(format=form, engine=oracle(form, example_tasks()[:1]))
        (result,) = judge.judge(example_tasks()[1:2])
        assert {one.status for one in result.judgments} == {JudgmentStatus.ENGINE_ERROR}

    def test_always_first_flips_with_the_order(self) -> None:
        form = PairwiseScores()
        (result,) = JudgeRewardModel(format=form, engine=always_first(form)).judge(
            example_tasks()[:1]
        )
        assert [judgment.verdict() for judgment in result.judgments] == [0, 1]
        assert result.consistent is False
        assert result.preferred is None

    def test_judged_is_what_the_judge_would_have_made_of_it(self) -> None:
        form, shown = PairwiseVerdict(), example_presentations(2)[0]
        engine = Scripted(answers=(form.write((1.0, 0.0)), ""))
        judge = JudgeRewardModel(format=form, engine=engine)
        for made in judge.judge(example_tasks()[:1])[0].judgments:
            shown = next(one for one in example_presentations(2) if one.order == made.order)
            again = judged(form, shown, made.scores)
            assert (again.scores, again.status, again.text) == (made.scores, made.status, made.text)
            assert again.transcript == made.transcript

    def test_examples_cover_dialogue_reference_and_both_labels(self) -> None:
        tasks = example_tasks()
        assert {task.preferred for task in tasks} == {0, 1}
        assert any(len(task.prompt) > 1 for task in tasks)
        assert any(task.reference for task in tasks)
        for arity in (1, 2):
            shown = example_presentations(arity)
            assert len(shown) == 2 * len(tasks)
            assert {one.gold for one in shown} == ({0, 1} if arity == 2 else {0, None})

    def test_compare_remembers_what_it_was_asked(self) -> None:
        judge = Compare(lambda first, second: None if first else (0.0, 1.0))
        assert run(RoundRobin().rank(2, judge)) == (None, None)
        assert judge.asked == [(0, 1), (1, 0)]


class TestIsolatedHost:
    def test_it_holds_these_classes_of_any_kind_and_nothing_else(self) -> None:
        found = isolated_catalogue(Pointwise, RoundRobin, Pointwise)
        assert found.find("formats", "pointwise") is Pointwise
        assert found.find("rankings", "round-robin") is RoundRobin
        with pytest.raises(ConfigError, match="no format is called 'pairwise-verdict'"):
            found.find("formats", "pairwise-verdict")

    def test_a_broken_class_is_refused(self) -> None:
        class Nameless(Ranking):
            pass

        with pytest.raises(PluginError, match="Nameless has no `name`"):
            isolated_catalogue(Nameless)

    def test_an_empty_one_is_empty(self) -> None:
        assert isolated_catalogue().names("formats") == []


def test_importing_it_needs_neither_pytest_nor_anything_heavy() -> None:
    heavy = {"pytest", "hypothesis", "torch", "transformers", "trl"}
    code = f"import sys, j1sdk.testing; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pytest_collects_an_authors_suite_and_reports_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "test_author.py").write_text(
        "from j1sdk import PairwiseVerdict\n"
        "from j1sdk.testing import FormatContract\n"
        "class Quiet(PairwiseVerdict):\n"
        "    name = 'quiet'\n"
        "    def adheres(self, text): return False\n"
        "class TestGood(FormatContract):\n"
        "    component = PairwiseVerdict()\n"
        "class TestBad(FormatContract):\n"
        "    component = Quiet()\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    count = len(checks(FormatContract))
    assert f"1 failed, {2 * count - 1} passed" in done.stdout
    assert "TestBad::test_adheres_to_its_own_sections" in done.stdout
