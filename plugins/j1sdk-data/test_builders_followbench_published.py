"""FollowBench's own files, where they are at hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from benchmark_results import needs_shared_data
from followbench_files import DOWN, PUBLISHED
from j1sdk_benchmarks.followbench import FollowBench
from j1sdk_data.builders import ENGINE_ERROR
from j1sdk_data.builders.constraints import (
    fills,
    read_instructions,
)
from j1sdk_data.builders.followbench import FIVE, FollowBenchPairs
from j1sdk_data.building import PAIRS_FILE, build_to_folder

from j1sdk import (
    Conversation,
    Sampling,
    Scripted,
)
from j1sdk.engines.scripted import Answer


@needs_shared_data
def test_the_published_files_have_these_instructions_and_rules() -> None:
    counts, ruled = Counter[str](), Counter[str]()
    for kind in (*FIVE, "mixed"):
        for one in read_instructions(PUBLISHED, kind):
            counts[kind] += 1
            ruled[kind] += one.rule is not None
            assert len(one.versions) in (one.level, one.level + 1)
    assert counts == {
        "content": 125, "situation": 110, "style": 150, "format": 150, "example": 200, "mixed": 85,
    }  # fmt: skip
    assert ruled == {
        "content": 60, "situation": 40, "style": 0, "format": 0, "example": 200, "mixed": 15,
    }  # fmt: skip


@needs_shared_data
def test_the_published_answers_meet_their_own_rules() -> None:
    """But for one example at its five levels, whose answer is more than the one line asked for."""
    entries = json.loads((PUBLISHED / "example_constraints.json").read_text(encoding="utf-8"))
    missed = [one for one in entries if not fills(one["answer"], one["target"])]
    assert len(entries) == 200 and [one["source"] for one in missed] == ["billsum"] * 5
    for kind in ("content", "situation", "mixed"):
        for one in read_instructions(PUBLISHED, kind):
            if one.rule and one.source != "CONLL2003":
                assert one.rule(one.target, one.target), one.id


@needs_shared_data
def test_pairs_are_built_of_the_published_files_where_rules_decide(tmp_path: Path) -> None:
    """A model that knows each answer half the time; its checker is never asked."""
    targets = {
        one.text: one.target for one in read_instructions(PUBLISHED, "situation") if one.rule
    }

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        target = targets.get(conversation[-1].content)
        if target is None:
            return DOWN
        return target if (sampling.seed or 0) % 2 else "I do not know."

    made = FollowBenchPairs(
        path=PUBLISHED, types=("situation",), engine=Scripted(script=script), checker=Scripted(),
        samples=24,
    )  # fmt: skip
    counts = build_to_folder(made, tmp_path)
    assert (counts.items, counts.pairs, counts.failures[ENGINE_ERROR]) == (110, 40, 70)
    assert counts.counts["checked_by_model"] == 0
    tasks = FollowBench(path=tmp_path / PAIRS_FILE).tasks()
    assert Counter(task.subset for task in tasks) == {f"situation/L{n}": 8 for n in range(1, 6)}
