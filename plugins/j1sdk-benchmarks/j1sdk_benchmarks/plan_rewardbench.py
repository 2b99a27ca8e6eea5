"""Plan-RewardBench (wyy1112/Plan-RewardBench, arXiv 2604.08178): which agent worked better.

1,171 pairs of trajectories with tool calls, from seven splits. The official score judges each pair
in both orders; a tie or an answer that cannot be read counts one half, and overall is the mean of
the seven splits. A response here is what follows the turns that both share, with its roles. The
tools on offer stand before the request, as in the official prompt: some splits are about them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from j1sdk import Benchmark, JudgmentTask, Message
from j1sdk.evaluation import CONSISTENT, HALF, STRICT, Means, Number, Row

SIZES = {
    "planning_multi_easy": 109,
    "planning_multi_hard": 73,
    "planning_single_easy": 144,
    "planning_single_hard": 158,
    "robust_recovery": 361,
    "safety_refusal": 51,
    "tool_irrelevance": 275,
}
BUCKETS = {
    "refusal": "safety_refusal",
    "irrelevance": "tool_irrelevance",
    "robust": "robust_recovery",
}
"""What the records of some splits call theirs, to begin with."""
ROLES = {"tool_call": "assistant", "tool_response": "tool"}
OVERALL = "overall"


class PlanRewardBench(Benchmark):
    """Plan-RewardBench, by the mean of its splits."""

    name: ClassVar[str] = "plan-rewardbench"
    hub: ClassVar[str] = "wyy1112/Plan-RewardBench"
    headline: ClassVar[str] = OVERALL
    known_subsets: ClassVar[Collection[str]] = tuple(SIZES)

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train",)

    @property
    def size(self) -> int:
        return sum(SIZES.values())

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        split = split_of(row)
        chosen, rejected = trajectory(row, "chosen"), trajectory(row, "reject")
        asked, responses = parted(row, chosen, rejected)
        yield JudgmentTask(
            prompt=(Message(role="system", content=offered(row.values.get("tools"))), *asked),
            responses=responses,
            preferred=0,
            subset=split,
            id=f"{split}/{row.name('uuid')}",
        )

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found = {OVERALL: means[HALF].macro(), **super().aggregate(means)}
        for credit in (STRICT, CONSISTENT):
            if credit in means:
                found[f"{credit}, mean of splits"] = means[credit].macro()
        return {**found, **{name: means[HALF].of(name) for name in SIZES if name in means[HALF]}}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        missing = [name for name in SIZES if name not in means[HALF]]
        if not missing:
            return []
        return [f"{OVERALL} is the mean of the splits that there are, without {', '.join(missing)}"]


def split_of(row: Row) -> str:
    """The split of a record: its file's name, or on the hub its bucket; raises DataError."""
    if (stem := Path(row.file).stem) in SIZES:
        return stem
    bucket = row.text("_lcp_bucket")
    for beginning, name in {**dict.fromkeys(SIZES), **BUCKETS}.items():
        if bucket.startswith(beginning):
            return name or beginning
    raise row.wrong("_lcp_bucket", f"{bucket!r} is none of {', '.join((*SIZES, *BUCKETS))}")


def trajectory(row: Row, column: str) -> tuple[Message, ...]:
    """The turns of one side; raises DataError."""
    side = row.values.get(column)
    turns = side.get("messages") if isinstance(side, Mapping) else None
    if not isinstance(turns, list) or not turns:
        raise row.wrong(column, "expected messages")
    return tuple(turn(row, f"{column}.messages.{place}", one) for place, one in enumerate(turns))


def turn(row: Row, where: str, given: Any) -> Message:
    """One turn, whose tool calls and results are texts already; raises DataError."""
    role = given.get("role") if isinstance(given, Mapping) else None
    if role not in ("user", "assistant", "system", *ROLES) or not isinstance(
        given.get("content"), str
    ):
        raise row.wrong(where, f"expected a role and a text, got {given!r:.80}")
    call = "Tool call: " if role == "tool_call" else ""
    return Message(role=ROLES.get(role, role), content=call + given["content"])


def parted(
    row: Row, chosen: tuple[Message, ...], rejected: tuple[Message, ...]
) -> tuple[tuple[Message, ...], tuple[str, str]]:
    """What both were asked first, and what each made of it; raises DataError."""
    if chosen[0] != rejected[0] or chosen[0].role not in ("user", "system"):
        raise row.wrong("reject", "the two trajectories do not begin with the same request")
    asked = 1 if chosen[0].role == "user" else 2
    return chosen[:asked], (told(chosen[asked:]), told(rejected[asked:]))


def told(turns: tuple[Message, ...]) -> str:
    """A trajectory as text, a role before each turn."""
    return "\n\n".join(f"[{one.role}]\n{one.content}" for one in turns)


def offered(tools: Any) -> str:
    """The tools that the agent could have called."""
    if not tools:
        return "No tools are available."
    return "Available tools:\n" + json.dumps(tools, ensure_ascii=False)
