"""The arms of `peers.py`, each run in a process of its own: prints its figures as JSON.

An arm is given prompts and returns what it made of each: "A", "B", or the name of a failure. Only
`j1sdk` renders the prompts itself, from the pairs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

CONCURRENCY = 64
Outcomes = list[str]
Arm = Callable[[dict[str, Any], str], Callable[[], Outcomes]]
"""Takes pairs, prompts and a URL, prepares, and returns what is to be timed."""


def j1sdk(given: dict[str, Any], url: str) -> Callable[[], Outcomes]:
    """The public interface, both orders of each pair."""
    import aiohttp  # noqa: F401  # as for the floor: loading it is not part of a judgment

    from j1sdk import JudgeRewardModel, JudgmentTask, OpenAI, PairwiseVerdict

    engine = OpenAI(model="judge", base_url=url, concurrency=CONCURRENCY)
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=engine)
    tasks = [JudgmentTask.model_validate(task) for task in given["tasks"]]

    def judged() -> Outcomes:
        judgments = [one for result in judge.judge(tasks) for one in result.judgments]
        return ["AB"[j.scores.index(1.0)] if j.scores else str(j.status) for j in judgments]

    return judged


def floor(given: dict[str, Any], url: str) -> Callable[[], Outcomes]:
    """Bare aiohttp: the text of each answer, and nothing made of it."""
    import aiohttp

    async def asked() -> Outcomes:
        slots, connector = asyncio.Semaphore(CONCURRENCY), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(prompt: str) -> str:
                body = {"model": "judge", "messages": [{"role": "user", "content": prompt}]}
                async with slots:
                    while True:
                        async with session.post(f"{url}/chat/completions", json=body) as response:
                            if response.status == 200:
                                found = json.loads(await response.read())
                                return str(found["choices"][0]["message"]["content"])

            texts = await asyncio.gather(*map(ask, given["prompts"]))
        return ["not read" for _ in texts]

    return lambda: asyncio.run(asked())


def httpx(given: dict[str, Any], url: str) -> Callable[[], Outcomes]:
    """The loop that everybody writes first; told of a limit, its pool is four times slower."""
    import httpx as client

    async def asked() -> Outcomes:
        slots = asyncio.Semaphore(CONCURRENCY)
        async with client.AsyncClient(timeout=60) as session:

            async def ask(prompt: str) -> str:
                body = {"model": "judge", "messages": [{"role": "user", "content": prompt}]}
                async with slots:
                    for _ in range(3):
                        response = await session.post(f"{url}/chat/completions", json=body)
                        if response.status_code < 500:
                            break
                response.raise_for_status()
                text = response.json()["choices"][0]["message"]["content"]
                found = re.search(r"\[\[([AB])\]\]", text)
                return found[1] if found else "no match"

            return list(await asyncio.gather(*map(ask, given["prompts"])))

    return lambda: asyncio.run(asked())


def openjudge(given: dict[str, Any], url: str, **options: str) -> Callable[[], Outcomes]:
    """Its runner, comparing pairs as its arena does: a score of at least 0.5 is a win of A."""
    from loguru import logger
    from openjudge.graders.llm_grader import LLMGrader
    from openjudge.models.openai_chat_model import OpenAIChatModel
    from openjudge.models.schema.oai.message import ChatMessage
    from openjudge.models.schema.prompt_template import PromptTemplate
    from openjudge.runner.grading_runner import GraderConfig, GradingRunner

    logger.remove()  # a line per failure would be counted as its CPU
    chat = OpenAIChatModel(options.pop("model", "judge"), base_url=url, api_key="none")
    template = PromptTemplate(messages=[ChatMessage(role="user", content="{prompt}")])
    grader = LLMGrader(name="pair", model=chat, template=template, **options)
    graders = {"pair": GraderConfig(grader=grader)}
    runner = GradingRunner(graders, max_concurrency=CONCURRENCY, show_progress=False)
    data = [{"prompt": prompt} for prompt in given["prompts"]]
    return lambda: [won(one) for one in asyncio.run(runner.arun(data))["pair"]]


def won(result: Any) -> str:
    """What OpenJudge makes of a pair."""
    if hasattr(result, "rank"):
        return "AB"[result.rank.index(1)]
    return "AB"[result.score < 0.5] if hasattr(result, "score") else "error"


ARMS: dict[str, Arm] = {
    "floor": floor,
    "j1sdk": j1sdk,
    "httpx": httpx,
    "openjudge": openjudge,
    "openjudge, qwen": partial(openjudge, model="qwen3-judge"),
    "openjudge, listwise": partial(openjudge, mode="listwise"),
}


def figures(work: Callable[[], Sequence[str]]) -> dict[str, Any]:
    """Seconds on the wall and of this process, and the outcomes."""
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes = work()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "outcomes": list(outcomes),
    }


if __name__ == "__main__":
    found = figures(ARMS[sys.argv[1]](json.load(sys.stdin), sys.argv[2]))
    print(json.dumps(found), flush=True)
    os._exit(0)  # what a client tears down at exit is not measured
