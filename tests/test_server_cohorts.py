"""The rollouts of one prompt, each in a request of its own, are ranked together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from reward_client import ask, ask_all, ask_async, asked_of, by_length, metric, sample, until

from j1sdk import ConfigError, JudgeRewardModel, PairwiseVerdict, Pointwise, Scripted
from j1sdk.errors import EngineError
from j1sdk.server import Serve, open_server, served

EIGHT = ["a" * (5 * number % 8 + 1) for number in range(8)]
"""Responses of eight lengths, in no order."""


def cohort(size: int, wait: float = 30, **options: Any) -> Serve:
    return Serve(port=0, cohort=size, cohort_wait=wait, warm_up=False, **options)


def rewards(replies: Sequence[Any]) -> list[float]:
    return [reply.json["rewards"][0] for reply in replies]


def test_eight_that_arrive_by_themselves_are_ranked_together() -> None:
    judge, alone = by_length(), by_length()
    with served(judge, cohort(8)) as server:
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", [sample(a) for a in EIGHT]))
        assert metric(server.url, "j1_cohorts_total", outcome="whole") == 1
        assert metric(server.url, "j1_scored_total") == 8
    assert rewards(replies) == list(alone.rank("Why?", EIGHT).scores)
    assert sorted(rewards(replies)) == pytest.approx([number / 7 for number in range(8)])
    assert asked_of(judge) == 8 * 7


def test_the_tokens_of_a_ranking_are_shared_among_its_members() -> None:
    judge = by_length()
    with served(judge, cohort(4)) as server:
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", [sample(a) for a in EIGHT[:4]]))
        spent = sum(reply.json["extra_logs"]["j1/tokens"][0] for reply in replies)
        kinds = ("prompt", "completion")
        tokens = sum(metric(server.url, "j1_tokens_total", kind=kind) for kind in kinds)
    assert spent == pytest.approx(tokens) and tokens > 0


def test_the_label_does_not_divide_a_cohort() -> None:
    with served(by_length(), cohort(2)) as server:
        bodies = [sample("aa", label="x"), sample("a", label="y")]
        assert rewards(asyncio.run(ask_all(f"{server.url}/get_reward", bodies))) == [1.0, 0.0]


def test_a_whole_group_in_one_request_is_a_cohort() -> None:
    body = {"query": [f"Why?{a}" for a in EIGHT], "prompts": ["Why?"] * 8}
    with served(by_length(), cohort(8)) as server:
        reply = ask(f"{server.url}/get_reward", body)
    assert reply.json["rewards"] == list(by_length().rank("Why?", EIGHT).scores)


def test_prompts_are_kept_apart() -> None:
    judge = by_length()
    bodies = [sample(a, prompt) for a in EIGHT[:4] for prompt in ("Why?", "Who?")]
    with served(judge, cohort(4)) as server:
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
        assert metric(server.url, "j1_cohorts_total", outcome="whole") == 2
    expected = list(by_length().rank("Why?", EIGHT[:4]).scores)
    assert rewards(replies[::2]) == rewards(replies[1::2]) == expected
    assert asked_of(judge) == 2 * 4 * 3


def slow() -> JudgeRewardModel:
    """A judge that prefers the longer response, after a while."""
    judge = by_length()
    return judge.model_copy(update={"engine": judge.engine.model_copy(update={"latency": 0.8})})


def test_more_than_a_cohort_has_places_for_are_refused() -> None:
    with served(slow(), cohort(4)) as server:
        url = f"{server.url}/get_reward"
        replies = asyncio.run(ask_all(url, [sample(a) for a in EIGHT]))
        assert metric(server.url, "j1_cohorts_total", outcome="whole") == 1
    assert sorted(reply.status for reply in replies) == [200] * 4 + [409] * 4
    refused = next(reply for reply in replies if reply.status == 409)
    assert "X-J1-Group" in refused.json["error"]


@pytest.mark.parametrize("place", ["query", "header", "field"])
def test_named_groups_with_one_prompt_are_kept_apart(place: str) -> None:
    """Two trainers, whose rollouts arrive in turns."""

    async def scene(url: str) -> list[Any]:
        asked = []
        for response in EIGHT[:4]:
            for name in "ab":
                body, at, headers = sample(f"{response}{name}"), url, {}
                if place == "query":
                    at = f"{url}?group={name}"
                elif place == "header":
                    headers = {"X-J1-Group": name}
                else:
                    body["group"] = name
                asked.append(ask_async(at, body, **headers))
        return list(await asyncio.gather(*asked))

    with served(slow(), cohort(4)) as server:
        replies = asyncio.run(scene(f"{server.url}/get_reward"))
        assert metric(server.url, "j1_cohorts_total", outcome="whole") == 2
    for own, name in ((replies[::2], "a"), (replies[1::2], "b")):
        named = [f"{response}{name}" for response in EIGHT[:4]]
        assert rewards(own) == list(by_length().rank("Why?", named).scores)


def test_equal_rollouts_each_count_and_share_a_score() -> None:
    judge = by_length()
    with served(judge, cohort(4)) as server:
        bodies = [sample("aa"), sample("aa"), sample("a"), sample("aaa")]
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
    assert rewards(replies) == [0.5, 0.5, 0.0, 1.0] and asked_of(judge) == 6


def test_rollouts_that_are_all_equal_tie() -> None:
    judge = by_length()
    with served(judge, cohort(4)) as server:
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", [sample("aa")] * 4))
    assert rewards(replies) == [0.5] * 4 and asked_of(judge) == 0


class TestIncomplete:
    def test_it_is_ranked_as_it_is_and_a_metric_says_so(self) -> None:
        with served(by_length(), cohort(8, wait=0.3)) as server:
            bodies = [sample(a) for a in EIGHT[:3]]
            replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
            assert metric(server.url, "j1_cohorts_total", outcome="incomplete") == 1
            assert metric(server.url, "j1_cohorts_total", outcome="whole") == 0
        assert rewards(replies) == list(by_length().rank("Why?", EIGHT[:3]).scores)

    @pytest.mark.parametrize("bodies", [[sample("a")], [sample("a"), sample("a")]])
    def test_with_nothing_to_compare_there_is_no_score(self, bodies: list[Any]) -> None:
        with served(by_length(), cohort(8, wait=0.2)) as server:
            replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
            assert metric(server.url, "j1_cohorts_total", outcome="alone") == 1
            assert metric(server.url, "j1_unscored_total", reason="cohort") == len(bodies)
        assert [reply.status for reply in replies] == [503] * len(bodies)
        assert "no other rollout of this prompt came" in replies[0].json["error"]

    def test_a_late_one_is_never_ranked_with_those_answered(self) -> None:
        with served(by_length(), cohort(2, wait=0.2, unscored="neutral")) as server:
            url = f"{server.url}/get_reward"
            assert rewards(asyncio.run(ask_all(url, [sample("a"), sample("aa")]))) == [0, 1]
            late = ask(url, sample("aaa")).json
        assert late["rewards"] == [0.5] and late["extra_logs"]["j1/unscored"] == [1.0]

    def test_the_deadline_comes_first(self) -> None:
        options = Serve(port=0, cohort=8, cohort_wait=0.3, deadline=0.6, warm_up=False)
        slow = Scripted(script=lambda asked, sampling: "?", latency=60)
        with served(JudgeRewardModel(format=PairwiseVerdict(), engine=slow), options) as server:
            bodies = [sample("a"), sample("aa")]
            replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
            assert metric(server.url, "j1_unscored_total", reason="deadline") == 2
        assert [reply.status for reply in replies] == [503, 503]


class TestRetries:
    def test_one_that_hangs_up_and_asks_again_counts_once(self) -> None:
        async def scene(url: str) -> list[float]:
            asked = [asyncio.create_task(ask_async(url, sample(a))) for a in EIGHT[:3]]
            await asyncio.sleep(0.2)
            asked[1].cancel()
            with suppress(asyncio.CancelledError):
                await asked[1]
            await asyncio.sleep(0.2)
            again = asyncio.create_task(ask_async(url, sample(EIGHT[1])))
            await asyncio.sleep(0.2)
            assert not any(one.done() for one in (*asked[::2], again)), "three are not four"
            last = await ask_async(url, sample(EIGHT[3]))
            return rewards([await asked[0], await again, await asked[2], last])

        judge = by_length()
        with served(judge, cohort(4)) as server:
            assert asyncio.run(scene(f"{server.url}/get_reward")) == list(
                by_length().rank("Why?", EIGHT[:4]).scores
            )
        assert asked_of(judge) == 4 * 3

    def test_a_retry_at_the_instant_of_a_hang_up_counts_once(self) -> None:
        """The new connection may be read before the old one is known to be closed."""

        async def again_and_again(url: str, response: str) -> Any:
            for attempt in range(5):
                lost = asyncio.create_task(ask_async(url, sample(response)))
                await asyncio.sleep(0.05)
                again = asyncio.create_task(ask_async(url, sample(response)))
                lost.cancel()
                with suppress(asyncio.CancelledError):
                    await lost
                await asyncio.sleep(0.02)
                if attempt < 4:
                    again.cancel()
                    with suppress(asyncio.CancelledError):
                        await again
            return await again

        async def scene(url: str) -> list[float]:
            first = [asyncio.create_task(ask_async(url, sample(a))) for a in EIGHT[:2]]
            await asyncio.sleep(0.2)
            third = asyncio.create_task(again_and_again(url, EIGHT[2]))
            await asyncio.sleep(1.5)
            assert not third.done(), "three are not four"
            last = await ask_async(url, sample(EIGHT[3]))
            return rewards([*[await one for one in first], await third, last])

        judge = by_length()
        with served(judge, cohort(4)) as server:
            made = asyncio.run(scene(f"{server.url}/get_reward"))
            assert metric(server.url, "j1_cohorts_total", outcome="whole") == 1
        assert made == list(by_length().rank("Why?", EIGHT[:4]).scores)

    def test_a_retry_that_fills_the_cohort_does_not_close_it(self) -> None:
        async def scene(url: str) -> list[float]:
            lost = asyncio.create_task(ask_async(url, sample("a")))
            await asyncio.sleep(0.2)
            again = asyncio.create_task(ask_async(url, sample("a")))
            await asyncio.sleep(0)
            lost.cancel()
            with suppress(asyncio.CancelledError):
                await lost
            await asyncio.sleep(0.3)
            assert not again.done(), "one rollout is no cohort"
            return rewards([await ask_async(url, sample("aa")), await again])

        judge = by_length()
        with served(judge, cohort(2)) as server:
            assert asyncio.run(scene(f"{server.url}/get_reward")) == [1.0, 0.0]

    def test_while_it_is_ranked_a_retry_takes_its_place_again(self) -> None:
        judge = by_length()
        judge = judge.model_copy(
            update={"engine": judge.engine.model_copy(update={"latency": 0.8})}
        )

        async def scene(url: str) -> list[float]:
            asked = [asyncio.create_task(ask_async(url, sample(a))) for a in ("a", "aa")]
            await asyncio.sleep(0.3)
            asked[0].cancel()
            with suppress(asyncio.CancelledError):
                await asked[0]
            await asyncio.sleep(0.1)
            return rewards([await ask_async(url, sample("a")), await asked[1]])

        with served(judge, cohort(2, wait=5)) as server:
            assert asyncio.run(scene(f"{server.url}/get_reward")) == [0.0, 1.0]
            assert metric(server.url, "j1_shared_total") == 1

    def test_one_whose_answer_was_lost_gets_it_again(self) -> None:
        judge = by_length()
        with served(judge, cohort(2, wait=0.2)) as server:
            url = f"{server.url}/get_reward"
            first = rewards(asyncio.run(ask_all(url, [sample("a"), sample("aa")])))
            assert rewards([ask(url, sample("a"))]) == first[:1]
            assert metric(server.url, "j1_cohorts_total", outcome="alone") == 0
        assert asked_of(judge) == 2

    def test_a_ranking_nobody_waits_for_is_given_up(self) -> None:
        judge = by_length()
        with served(judge, cohort(4)) as server:

            async def leave() -> None:
                url = f"{server.url}/get_reward"
                asked = [asyncio.create_task(ask_async(url, sample(a))) for a in EIGHT[:3]]
                await asyncio.sleep(0.3)
                for one in asked:
                    one.cancel()
                await asyncio.gather(*asked, return_exceptions=True)

            asyncio.run(leave())
            until(lambda: metric(server.url, "j1_pending") == 0)
            replies = asyncio.run(
                ask_all(f"{server.url}/get_reward", [sample(a) for a in EIGHT[:4]])
            )
        assert rewards(replies) == list(by_length().rank("Why?", EIGHT[:4]).scores)
        assert asked_of(judge) == 3 * 2 + 4 * 3, "three had been compared before they left"


def test_the_mean_of_a_cohort_may_stand_for_what_was_not_scored() -> None:
    bodies = [sample("a"), sample("aaa"), sample("<think>so"), sample("aa")]
    with served(by_length(), cohort(4, unscored="group")) as server:
        made = rewards(asyncio.run(ask_all(f"{server.url}/get_reward", bodies)))
    assert made == [0.0, 1.0, 0.5, 0.5]
    with pytest.raises(ConfigError, match="without `cohort` there is none"):
        open_server(by_length(), Serve(port=0, unscored="group"))


def test_a_judge_that_fails_scores_nobody() -> None:
    broken = Scripted(script=lambda asked, sampling: EngineError("down"))
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=broken)
    with served(judge, cohort(2)) as server:
        bodies = [sample("a"), sample("aa")]
        replies = asyncio.run(ask_all(f"{server.url}/get_reward", bodies))
        assert metric(server.url, "j1_unscored_total", reason="judgment") == 2
    assert [reply.status for reply in replies] == [503, 503]
    assert "engine_error: down" in replies[0].json["error"]


def test_closing_sends_an_open_cohort_away_unscored() -> None:
    """Its siblings will not be let in any more; half a group is not ranked for that."""
    with served(by_length(), cohort(8)) as server:

        async def scene() -> list[Any]:
            asked = asyncio.create_task(
                ask_all(f"{server.url}/get_reward", [sample(a) for a in EIGHT[:3]])
            )
            await asyncio.to_thread(until, lambda: metric(server.url, "j1_pending") == 3)
            server.close()
            return await asked

        replies = asyncio.run(scene())
    assert [reply.status for reply in replies] == [503] * 3
    assert {reply.headers["retry-after"] for reply in replies} == {"1"}
    assert "the server is closing" in replies[0].json["error"]


def test_a_pointwise_judge_has_no_cohorts() -> None:
    judge = JudgeRewardModel(format=Pointwise(), engine=Scripted())
    with pytest.raises(ConfigError, match="scores each response by itself"):
        open_server(judge, cohort(4))
