"""What j1sdk costs: both orders of 500 real pairs on vLLM, against vLLM by itself.

    python benchmarks/overhead.py [--pairs FILE]

Both arms use one AsyncLLM, greedily, with the same number of new tokens. One is the public
`judge`; the other hands vLLM the prompts, tokenized beforehand, and waits. Arms alternate, each
begins with an empty prefix cache. Goal: a ratio of 1.05 or less.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from recording import parser, record
from small_judge import SEED, real_pairs, small_judge, texts_of, vllm_version

from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Sampling
from j1sdk.background import run
from j1sdk.deliberation import question
from j1sdk.engines.chat import encode_chat, load_tokenizer
from j1sdk.engines.vllm import VLLM, sampling_params

GOAL = 1.05
RAW = "vLLM by itself"


def judged(judge: JudgeRewardModel, tasks: Sequence[JudgmentTask]) -> list[str]:
    """What the judge wrote, through j1sdk's public interface."""
    return [one.text for result in judge.judge(tasks) for one in result.judgments]


def rendered(
    judge: JudgeRewardModel, tasks: Sequence[JudgmentTask], tokenizer: Any
) -> list[list[int]]:
    """The prompts of the same judgments, in the same order, down to their tokens."""
    reserved = judge.engine.reserved
    shown = (shown for task in tasks for shown in judge.presentations(task))
    return [encode_chat(tokenizer, question(judge.format, one, reserved)) for one in shown]


async def generated(llm: Any, prompts: Sequence[list[int]], sampling: Sampling) -> list[str]:
    """What vLLM writes by itself."""

    async def one(number: int, ids: list[int]) -> str:
        prompt = {"type": "token", "prompt_token_ids": ids}
        params = sampling_params(sampling, sampling.max_new_tokens)
        text = ""
        async for output in llm.generate(prompt, params, f"raw-{number}"):
            text = output.outputs[0].text
        return text

    return list(await asyncio.gather(*(one(*pair) for pair in enumerate(prompts))))


def timed(llm: Any, work: Callable[[], list[str]]) -> tuple[float, float, list[str]]:
    """Seconds on the wall, seconds of this process, and what was written."""
    run(llm.reset_prefix_cache())
    wall, process = time.perf_counter(), time.process_time()
    texts = work()
    return time.perf_counter() - wall, time.process_time() - process, texts


def compare(engine: VLLM, tasks: Sequence[JudgmentTask], rounds: int, new: int) -> list[Any]:
    """One row per arm, medians of all rounds."""
    sampling = Sampling(max_new_tokens=new)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling)
    judged(judge, tasks[:20])  # compiles and loads whatever is put off
    llm = run(engine._server.started())
    prompts = rendered(judge, tasks, load_tokenizer(engine.model))
    arms: dict[str, Callable[[], list[str]]] = {
        RAW: lambda: run(generated(llm, prompts, sampling)),
        "j1sdk": lambda: judged(judge, tasks),
    }
    seen: dict[str, list[tuple[float, float, list[str]]]] = {arm: [] for arm in arms}
    for number in range(rounds):
        for arm in list(arms)[:: 1 if number % 2 else -1]:
            seen[arm].append(timed(llm, arms[arm]))
            print(f"round {number}, {arm}: {seen[arm][-1][0]:.2f} s", file=sys.stderr)
    alike = [ours == raw for ours, raw in zip(seen["j1sdk"][0][2], seen[RAW][0][2], strict=True)]
    return [
        {
            "arm": arm,
            "texts as the other's": f"{sum(alike)} of {len(alike)}",
            "seconds": median(wall for wall, *_ in found),
            "seconds of this process": median(process for _, process, _ in found),
            "ratio": median(ours[0] / raw[0] for ours, raw in zip(found, seen[RAW], strict=True)),
        }
        for arm, found in seen.items()
    ]


def main() -> int:
    """0 if the goal was met."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, help="JSON lines; the shared data unless given")
    arguments = options.parse_args()
    pairs, rounds, new = (20, 1, 8) if arguments.quick else (500, 3, 64)
    tasks = real_pairs(pairs, arguments.pairs)
    with tempfile.TemporaryDirectory() as folder:
        engine = small_judge(Path(folder), texts_of(tasks))
        rows = compare(engine, tasks, rounds, new)
        run(engine.close())
    ratio = rows[-1]["ratio"]
    record(
        "overhead",
        "j1sdk's overhead over vLLM",
        rows,
        arguments.out,
        judgments=2 * len(tasks),
        new_tokens=new,
        rounds=rounds,
        seed=SEED,
        ratio=round(ratio, 4),
        goal=GOAL,
        vllm=vllm_version(),
    )
    print(f"ratio {ratio:.3f}, goal {GOAL}")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
