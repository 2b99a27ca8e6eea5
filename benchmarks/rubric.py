"""What asking for each criterion by itself costs in prompt tokens, where vLLM keeps prefixes.

    python benchmarks/rubric.py [--pairs FILE]

Ten criteria of eight responses to each of several requests: all criteria in one question, and a
question for each. The figures are vLLM's own counts of prompt tokens that were not in its cache.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from j1sdk_rubric import Criterion, Rubric
from prefix_cache import BLOCK, GROUP, counted, groups
from recording import parser, record
from small_judge import SEED, real_pairs, small_judge, texts_of, vllm_version

from j1sdk import JudgeRewardModel, JudgmentTask, Sampling
from j1sdk.background import run
from j1sdk.engines.vllm import VLLM

CRITERIA = tuple(
    Criterion(text=text)
    for text in (
        "It answers what was asked.",
        "Every fact in it is true.",
        "It names the assumptions that it makes.",
        "It is no longer than the question needs.",
        "It follows the format that was asked for.",
        "It contradicts itself nowhere.",
        "A reader without special knowledge can follow it.",
        "It says what is uncertain.",
        "It refuses nothing that is harmless.",
        "Its tone fits the request.",
    )
)


def computed(engine: VLLM, format: Rubric, tasks: list[JudgmentTask]) -> tuple[int, float]:
    """Prompt tokens in all, and those that had to be computed, from an empty cache."""
    sampling = Sampling(max_new_tokens=1)
    judge = JudgeRewardModel(format=format, engine=engine, sampling=sampling)
    llm = run(engine._server.started())
    run(llm.reset_prefix_cache())
    queries, hits = counted()
    for task in tasks:
        judge.judge([task])
    asked, found = counted()
    return asked - queries, (asked - queries) - (found - hits)


class EveryCriterion(Rubric):
    """Asks on where a judge of random weights says nothing that can be read."""

    name = "every-criterion"

    def _single(self, text: str) -> str:
        return "no"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, help="JSON lines; the shared data unless given")
    arguments = options.parse_args()
    count = 1 if arguments.quick else 8
    pairs = real_pairs(count * GROUP // 2, arguments.pairs)
    tasks = [
        JudgmentTask(prompt=prompt, responses=tuple(dict.fromkeys(responses)))
        for prompt, responses in groups(pairs, count)
    ]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        known: dict[str, Any] = {"disable_log_stats": False, "block_size": BLOCK}
        engine = small_judge(Path(folder), texts_of(pairs), **known)
        for name, format in (
            ("all in one question", Rubric(criteria=CRITERIA)),
            ("a question for each", EveryCriterion(criteria=CRITERIA, per_criterion=True)),
        ):
            asked, missing = computed(engine, format, tasks)
            rows.append({"criteria": name, "prompt tokens": asked, "computed": int(missing)})
        run(engine.close())
    whole = rows[0]
    for row in rows:
        row["computed, to one question's prompt tokens"] = row["computed"] / whole["prompt tokens"]
        row["computed, to one question's computed"] = row["computed"] / whole["computed"]
    title = f"Prompt tokens of {len(CRITERIA)} criteria x {GROUP} responses"
    facts = {"requests": count, "block": BLOCK, "seed": SEED, "vllm": vllm_version()}
    record("rubric", title, rows, arguments.out, **facts)


if __name__ == "__main__":
    main()
