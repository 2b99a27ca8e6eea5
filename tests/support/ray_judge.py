"""A program that judges sums on two workers of a Ray cluster: MODEL OUT [kill].

With `kill`, it kills a worker once five judgments are written. Prints what each worker completed.
Ray leaves files open, and a process of its own keeps those warnings from other tests.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
from j1sdk_cluster import Ray

from j1sdk import JudgeRewardModel, JudgmentTask, PairwiseVerdict, Sampling, Transformers
from j1sdk.background import run
from j1sdk.judging import judge_to_folder

TASKS = [
    JudgmentTask.from_pair(f"{n}+1?", str(n + 1), str(n + 2), id=f"sum-{n}") for n in range(60)
]


def alone(model: str) -> Transformers:
    return Transformers(model=model, dtype="float32", device="cpu")


def judge_of(engine: Transformers | Ray) -> JudgeRewardModel:
    sampling = Sampling(temperature=1.0, seed=1, max_new_tokens=12)
    return JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling)


class Killing:
    """Kills one worker, once."""

    def __init__(self) -> None:
        self.killed = False

    def __call__(self, done: int, total: int) -> None:
        if done >= 5 and not self.killed:
            self.killed = True
            children = psutil.Process().children(recursive=True)
            workers = [one for one in children if "ray::Worker" in " ".join(one.cmdline())]
            workers[0].send_signal(signal.SIGKILL)


def main() -> None:
    model, out, *kill = sys.argv[1:]
    engine = Ray(engine=alone(model), workers=2, cpus=0.5)
    judge_to_folder(judge_of(engine), TASKS, Path(out), Killing() if kill else None)
    print("completed:", *engine.completed)
    run(engine.close())


if __name__ == "__main__":
    main()
