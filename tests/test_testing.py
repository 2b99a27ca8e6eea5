"""The contract suite passes for everything we ship, and every check in it can fail."""

from __future__ import annotations

from typing import Any

import pytest
from broken_components import (
    ByNeighbour,
    ByPlace,
    Centred,
    Changed,
    Correctness,
    CutsTheStopString,
    DropsTheLast,
    FailedIsLost,
    Indifferent,
    KeepsCount,
    Lazy,
    Misleading,
    MixingUp,
    Mumbling,
    NeverTheSame,
    NeverTheSameWhenGreedy,
    NoTasks,
    NotFinite,
    OneOrder,
    OneTooFew,
    OpensAlone,
    Pairs,
    Parrot,
    Raising,
    RankingOf,
    Repeating,
    Restless,
    Reversed,
    Rewriting,
    Single,
    TakesEverything,
    TakesNothing,
    TakesOneOrder,
    Talker,
    Unlimited,
    Weighing,
)
from broken_formats import (
    AdheresToOthers,
    AlwaysAdheres,
    Backwards,
    Careless,
    Contrary,
    EmptyRange,
    EndlessRange,
    FirstOnly,
    Forgetful,
    Fussy,
    Guessing,
    Inner,
    LastMessageOnly,
    Leaking,
    NeverB,
    NothingAsked,
    Numbering,
    OfThree,
    OneLineThoughts,
    OutOfBounds,
    ShowsEverything,
    ThreeScores,
    UnbreakableMarker,
    UndeclaredTags,
    Unquoting,
    Verdict,
    WithCapitals,
    WithoutMarkers,
    WritesTheOther,
)
from suites import checks, suite

from j1sdk import (
    EngineError,
)
from j1sdk.testing import (
    ComponentContract,
    EngineContract,
    FormatContract,
    RankingContract,
    RewardContract,
    SourceContract,
)

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
    (
        RankingContract,
        OpensAlone(),
        "test_opens_with_pairs_that_it_has_judged_whatever_they_say",
        "of 2, .* is not",
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
