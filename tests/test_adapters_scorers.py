"""A judge in this process and one behind `j1 serve`, as adapters ask them."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Sequence

import pytest

from j1sdk import ConfigError, PairwiseScores, Pointwise
from j1sdk.adapters import Gathering, Item, Outcome
from j1sdk.adapters.scorers import OwnJudge, Scorer, ServedJudge
from j1sdk.errors import EngineError
from j1sdk.messages import Message
from j1sdk.server import Serve, served
from j1sdk.testing import judge_by_rule

ASKED = (Message(role="user", content="Name a colour."),)
SEVERAL = [
    [9, 3],
    [9, "?", 3],
    ["?", "?"],
    [5],
]


def items(values: Sequence[object], reference: str | None = None) -> list[Item]:
    return [Item(ASKED, f"It is worth {value}.", reference, "one") for value in values]


def scored(scorer: Scorer, asked: Sequence[Item]) -> list[Outcome]:
    return asyncio.run(scorer.score(asked))  # a fresh event loop each time


@pytest.mark.parametrize("values", SEVERAL, ids=str)
@pytest.mark.parametrize("format", [Pointwise(), PairwiseScores()], ids=lambda format: format.name)
@pytest.mark.parametrize("reference", [None, "It is worth 4."])
def test_a_served_judge_scores_as_one_in_this_process(
    format: Pointwise | PairwiseScores, values: Sequence[object], reference: str | None
) -> None:
    judge, asked = judge_by_rule(format), items(values, reference)
    own = scored(OwnJudge(judge=judge), asked)
    if (format.arity, len(values), reference) == (2, 1, None):
        assert [outcome.reason for outcome in own] == ["reference"]
        return
    with served(judge, Serve(port=0)) as server:
        there = ServedJudge(url=server.url)
        assert scored(there, asked) == own
        assert pickle.loads(pickle.dumps(there)) == there
        assert scored(there, asked) == own
        assert asyncio.run(there.compares()) == (format.arity > 1)


def test_an_answer_that_never_began_has_no_score_there_either() -> None:
    asked = [Item(ASKED, None), Item(ASKED, "It is worth 3.")]
    with served(judge_by_rule(Pointwise()), Serve(port=0)) as server:
        first, second = scored(ServedJudge(url=server.url), asked)
    assert (first.score, first.reason, second.score) == (None, "unfinished", 0.3)


def test_a_response_by_itself_waits_for_its_cohort() -> None:
    """As rollouts of one group come from many workers; other groups have the same prompt."""

    async def all_at_once(scorer: ServedJudge) -> list[float | None]:
        groups = [items([9], None), items([3], None)]
        other = [Item(ASKED, f"It is worth {value}.", None, "two") for value in (2, 1)]
        singles = [*groups, *([item] for item in other)]
        outcomes = await asyncio.gather(*map(scorer.score, singles))
        return [outcome.score for (outcome,) in outcomes]

    with served(judge_by_rule(PairwiseScores()), Serve(port=0, cohort=2)) as server:
        assert asyncio.run(all_at_once(ServedJudge(url=server.url))) == [1.0, 0.0, 1.0, 0.0]


def test_responses_to_several_prompts_are_not_ranked_together() -> None:
    other = (Message(role="user", content="Name a fruit."),)
    asked = [Item(ASKED, "It is worth 3."), Item(other, "It is worth 4.")]
    with served(judge_by_rule(PairwiseScores()), Serve(port=0)) as server:
        outcomes = scored(ServedJudge(url=server.url), asked)
    assert {outcome.score for outcome in outcomes} == {None}
    assert "need one prompt" in outcomes[0].detail


def test_a_dead_server_is_no_score_and_says_where() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    there = ServedJudge(url=url, deadline=0.5)
    (outcome,) = scored(there, items([5]))
    assert outcome.score is None and outcome.reason == "judgment"
    assert url in outcome.detail and "engine_error" in outcome.detail
    with pytest.raises(EngineError, match=url):
        asyncio.run(there.compares())


def test_a_token_is_shown_and_a_missing_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", "secret")
    with served(judge_by_rule(Pointwise()), Serve(port=0, token_env="JUDGE_TOKEN")) as server:
        assert scored(ServedJudge(url=server.url, token_env="JUDGE_TOKEN"), items([5]))[0].score
        (refused,) = scored(ServedJudge(url=server.url), items([5]))
        assert refused.score is None and "401" in refused.detail
        assert "name its environment variable as `token_env`" in refused.detail
    monkeypatch.delenv("JUDGE_TOKEN")
    with pytest.raises(ConfigError, match="JUDGE_TOKEN holds no token"):
        scored(ServedJudge(url="http://localhost:1", token_env="JUDGE_TOKEN"), items([5]))


@pytest.mark.parametrize("url", ["localhost:8000", "http://localhost:8000/v1/score", "ftp://x"])
def test_a_url_is_that_of_the_server(url: str) -> None:
    with pytest.raises(ConfigError, match="http://localhost:8000"):
        ServedJudge(url=url)


def test_a_group_that_comes_one_by_one_is_scored_once_and_whole() -> None:
    seen: list[list[str | None]] = []

    async def score(group: Sequence[Item]) -> list[Outcome]:
        seen.append([item.response for item in group])
        return [Outcome(float(place)) for place in range(len(group))]

    async def come(gathering: Gathering) -> list[float | None]:
        named = [Item(ASKED, str(place), None, str(place % 2)) for place in range(6)]
        return [
            outcome.score
            for outcome in await asyncio.gather(*(gathering.outcome(item) for item in named))
        ]

    gathering = Gathering(score, size=3, wait=5)
    for _ in range(2):  # each on a fresh loop
        assert asyncio.run(come(gathering)) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]
    assert sorted(seen) == [["0", "2", "4"]] * 2 + [["1", "3", "5"]] * 2


def test_a_group_that_is_not_whole_in_time_has_no_scores() -> None:
    async def score(group: Sequence[Item]) -> list[Outcome]:
        raise AssertionError("nothing to score")

    gathering = Gathering(score, size=3, wait=0.05)
    outcome = asyncio.run(gathering.outcome(Item(ASKED, "a")))
    assert (outcome.score, outcome.reason) == (None, "cohort")
    assert "only 1 of the 3 responses" in outcome.detail
