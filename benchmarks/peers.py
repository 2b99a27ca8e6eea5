"""j1sdk against its peers: 500 real pairs in both orders on a scripted server.

    python benchmarks/peers.py [--pairs FILE] [--setup]

Each arm is a process of its own and measures itself; the server, started anew for each, is
another. The server takes 50 or 200 ms, fails 1 % of first attempts with a 500, and answers 2 % or
20 % of prompts badly, in five ways. Every client is answered alike. OpenJudge and httpx live in an
environment of their own, made by --setup; without it they are left out.

Goals: 1.3 times the wall clock of bare aiohttp, 1.2 ms of CPU per judgment, no malformed answer
turned into a verdict, each reported by its status, no good answer lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from peers_arms import ARMS, CONCURRENCY
from peers_backend import FIRST_TRY_500, GOOD, KINDS, answer_to
from recording import parser, record
from small_judge import real_pairs

from j1sdk import JudgmentTask, PairwiseVerdict
from j1sdk.deliberation import question
from j1sdk.quoting import COMMON_SPECIAL_TOKENS
from j1sdk.types import presentations

HERE = Path(__file__).parent
PEERS = HERE.parent / ".cache" / "openjudge"
PACKAGES = ("py-openjudge==0.2.4", "httpx==0.28.1")
SEED = 0
LATENCIES, SHARES = (0.05, 0.2), (0.02, 0.2)
OURS = ("floor", "j1sdk")
STATUSES = {"cut by the limit": "truncated", "cut while thinking": "truncated"}
"""What j1sdk should call a malformed answer, where that is not `unparseable`."""
WALL_GOAL, CPU_GOAL = 1.3, 1.2


def set_up() -> None:
    """Make the peers' environment, in the cache that git ignores."""
    venv.create(PEERS, with_pip=True)
    subprocess.run([PEERS / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)


@contextmanager
def backend(latency: float, malformed: float) -> Iterator[str]:
    """The URL of a fresh server."""
    options = ["--latency", str(latency), "--malformed", str(malformed), "--seed", str(SEED)]
    command = [sys.executable, str(HERE / "peers_backend.py"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin and server.stdout
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.stdin.close()


def measured(arm: str, given: str, latency: float, malformed: float) -> dict[str, Any]:
    """One run of one arm."""
    python = sys.executable if arm in OURS else str(PEERS / "bin" / "python")
    with backend(latency, malformed) as url:
        command = [python, str(HERE / "peers_arms.py"), arm, url]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the arm {arm} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def audit(prompts: Sequence[str], outcomes: Sequence[str], malformed: float) -> dict[str, Any]:
    """What became of good answers, and of each kind of malformed one."""
    lost, silent, misnamed, seen = 0, Counter[str](), 0, Counter[str]()
    for prompt, outcome in zip(prompts, outcomes, strict=True):
        answer = answer_to(prompt, malformed, SEED)
        seen[answer.kind] += 1
        if answer.kind == GOOD:
            lost += outcome != answer.verdict
        elif outcome in ("A", "B"):
            silent[answer.kind] += 1
        else:
            misnamed += outcome != STATUSES.get(answer.kind, "unparseable")
    bad = sum(seen.values()) - seen[GOOD]
    return {
        "good lost": f"{lost} of {seen[GOOD]}",
        "malformed scored": f"{sum(silent.values())} of {bad}",
        **{kind: f"{silent[kind]} of {seen[kind]}" for kind in KINDS},
        "misnamed": misnamed,
    }


def compare(
    arms: Sequence[str], given: dict[str, Any], latency: float, malformed: float, rounds: int
) -> Iterator[dict[str, Any]]:
    """A row per arm, from rounds in which the arms take turns."""
    text, seen = json.dumps(given), {arm: list[dict[str, Any]]() for arm in arms}
    for number, arm in product(range(rounds), arms):
        seen[arm].append(measured(arm, text, latency, malformed))
        print(f"round {number}, {arm}: {seen[arm][-1]['wall']:.2f} s", file=sys.stderr)
    asked = {"latency, ms": latency * 1e3, "malformed": malformed}
    for arm, found in seen.items():
        prompts, outcomes = given["prompts"], [one for run in found for one in run["outcomes"]]
        read = audit(prompts * rounds, outcomes, malformed)
        if arm == "floor":
            read = dict.fromkeys(read, "-")
        elif arm != "j1sdk":
            read["misnamed"] = "-"  # it has names of its own
        took = timing(found, seen["floor"], len(prompts), latency)
        yield {"arm": arm, **asked, **took, **read}


def timing(
    found: Sequence[dict[str, Any]], floor: Sequence[dict[str, Any]], asked: int, latency: float
) -> dict[str, float]:
    """Medians; a ratio to the floor is one to the same round's."""
    wall = median(one["wall"] for one in found)
    ratios = [one["wall"] / least["wall"] for one, least in zip(found, floor, strict=True)]
    return {
        "wall, s": wall,
        "ratio to the floor": median(ratios),
        "ratio to the ideal": wall / (asked * latency / CONCURRENCY),
        "CPU per judgment, ms": median(one["cpu"] for one in found) / asked * 1e3,
    }


def rendered(tasks: Sequence[JudgmentTask]) -> dict[str, Any]:
    """The pairs, and the prompts j1sdk makes of them, for everybody else."""
    format = PairwiseVerdict()
    shown = [one for task in tasks for one in presentations(task, format.arity)]
    prompts = [question(format, one, COMMON_SPECIAL_TOKENS)[0].content for one in shown]
    return {"tasks": [task.model_dump(mode="json") for task in tasks], "prompts": prompts}


def main() -> int:
    """0 if j1sdk met the goals."""
    options = parser(__doc__)
    options.add_argument("--pairs", type=Path, help="JSON lines; the shared data unless given")
    options.add_argument("--setup", action="store_true", help="make the peers' environment first")
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    if arguments.setup:
        set_up()
    arms = list(OURS)
    if (PEERS / "bin" / "python").exists() and not arguments.quick:
        arms = list(ARMS)
    else:
        print("without the peers: --setup makes their environment", file=sys.stderr)
    tasks = real_pairs(20 if arguments.quick else 500, arguments.pairs)
    given, rows = rendered(tasks), list[dict[str, Any]]()
    for latency, malformed in product(LATENCIES, SHARES):
        rounds = 1 if arguments.quick else arguments.rounds
        rows += compare(arms, given, latency, malformed, rounds)
    record(
        "peers",
        "j1sdk against its peers",
        rows,
        arguments.out,
        pairs=len(tasks),
        concurrency=CONCURRENCY,
        first_try_500=FIRST_TRY_500,
        seed=SEED,
        peers=", ".join(PACKAGES),
        goals=f"wall {WALL_GOAL} x floor, CPU {CPU_GOAL} ms",
    )
    return 0 if all(map(good, rows)) else 1


def good(row: dict[str, Any]) -> bool:
    """Whether a row of ours met the goals; the time of a quick run says nothing."""
    return row["arm"] != "j1sdk" or (
        row["good lost"].startswith("0 ")
        and row["malformed scored"].startswith("0 ")
        and row["misnamed"] == 0
        and ("--quick" in sys.argv or row["ratio to the floor"] <= WALL_GOAL)
        and ("--quick" in sys.argv or row["CPU per judgment, ms"] <= CPU_GOAL)
    )


if __name__ == "__main__":
    sys.exit(main())
