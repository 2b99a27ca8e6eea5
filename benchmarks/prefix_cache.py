"""How much of its prompts a judge finds in vLLM's prefix cache, and how much of that is layout.

    python benchmarks/prefix_cache.py [--pairs FILE]

j1sdk's prompts go from what is always the same to what differs most: the instructions, the
request, the responses. The naive layout has the same parts with the responses first. Both are
asked for both orders of real pairs, and for all pairs of groups of eight responses. The figures
are vLLM's own counts of prompt tokens looked up and found.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recording import parser, record
from small_judge import SEED, real_pairs, small_judge, texts_of, vllm_version

from j1sdk import (
    Conversation,
    JudgeRewardModel,
    JudgmentTask,
    Message,
    PairwiseVerdict,
    Presentation,
    Sampling,
)
from j1sdk.background import run
from j1sdk.engines.vllm import VLLM
from j1sdk.formats.pairwise import FENCES

GROUP = 8
BLOCK = 32
"""Tokens found or not found together; the smallest that vLLM's CPU kernels like."""


class ResponsesFirst(PairwiseVerdict):
    """The same words with the responses moved to the front."""

    name = "responses-first"

    def render(self, shown: Presentation) -> Conversation:
        said = super().render(shown)[-1].content
        place = said.index(FENCES[0][0])
        return (Message(role="user", content=f"{said[place:]}\n\n{said[:place].rstrip()}"),)


def groups(pairs: Sequence[JudgmentTask], count: int) -> Iterator[tuple[Conversation, list[str]]]:
    """A request and eight responses, its own and those of the pairs behind it."""
    for start in range(0, count * GROUP // 2, GROUP // 2):
        members = pairs[start : start + GROUP // 2]
        yield members[0].prompt, [text for pair in members for text in pair.responses]


def counted() -> tuple[int, int]:
    """Prompt tokens vLLM looked up in its cache so far, and those it found."""
    from vllm.v1.metrics.reader import get_metrics_snapshot

    counts = {metric.name: getattr(metric, "value", 0) for metric in get_metrics_snapshot()}
    return counts["vllm:prefix_cache_queries"], counts["vllm:prefix_cache_hits"]


def hit_rate(engine: VLLM, work: Callable[[], Any]) -> tuple[int, float]:
    """Prompt tokens of the work, and the share of them found, from an empty cache."""
    llm = run(engine._server.started())
    run(llm.reset_prefix_cache())
    queries, hits = counted()
    work()
    asked, found = counted()
    return asked - queries, (found - hits) / (asked - queries)


def rank_all(judge: JudgeRewardModel, pairs: Sequence[JudgmentTask], count: int) -> None:
    for prompt, responses in groups(pairs, count):
        judge.rank(prompt, responses)


def measure(engine: VLLM, pairs: Sequence[JudgmentTask], count: int) -> list[dict[str, Any]]:
    """One row per workload: both layouts side by side."""
    rates: dict[str, list[tuple[int, float]]] = {}
    for format in (PairwiseVerdict(), ResponsesFirst()):
        judge = JudgeRewardModel(format=format, engine=engine, sampling=Sampling(max_new_tokens=1))
        judge.judge(pairs[:1])
        work: dict[str, Callable[[], Any]] = {
            f"both orders of {len(pairs)} pairs": partial(judge.judge, pairs),
            f"{count} groups of {GROUP}, round robin": partial(rank_all, judge, pairs, count),
        }
        for name, job in work.items():
            rates.setdefault(name, []).append(hit_rate(engine, job))
    return [
        {
            "asked for": name,
            "prompt tokens": ours[0],
            "hit rate": ours[1],
            "hit rate, responses first": naive[1],
            "computed tokens, ratio to responses first": (1 - ours[1]) / (1 - naive[1]),
        }
        for name, (ours, naive) in rates.items()
    ]


def main() -> int:
    """0 if j1sdk's layout finds more than the naive one everywhere."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, help="JSON lines; the shared data unless given")
    arguments = options.parse_args()
    pairs, count = (8, 1) if arguments.quick else (200, 8)
    tasks = real_pairs(pairs, arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        options_of_vllm = {"disable_log_stats": False, "block_size": BLOCK}
        engine = small_judge(Path(folder), texts_of(tasks), **options_of_vllm)
        rows = measure(engine, tasks, count)
        run(engine.close())
    title = "Prompt tokens found in vLLM's prefix cache"
    record("prefix_cache", title, rows, arguments.out, block=BLOCK, seed=SEED, vllm=vllm_version())
    better = all(row["hit rate"] > row["hit rate, responses first"] for row in rows)
    print("ratio", *(f"{row['computed tokens, ratio to responses first']:.3f}" for row in rows))
    return 0 if better else 1


if __name__ == "__main__":
    sys.exit(main())
