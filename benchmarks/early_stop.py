"""What stopping a vote early saves, for judges from hardly right to nearly always right.

A simulated judge of known accuracy votes on every pair, over the same samples: in full; stopped
where the rest cannot change the outcome, which must be the same each time; and stopped at a risk.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from recording import parser, record

from j1sdk import Judgment, JudgmentStatus, Usage, Vote
from j1sdk.background import run
from j1sdk.testing import Drawing

ACCURACIES = (0.6, 0.7, 0.8, 0.9, 0.95)
UNREADABLE = 0.02
MEAN_TOKENS = 400
RISK = 0.01


@dataclass(frozen=True)
class Judge:
    """Right so often about the first response, whatever is shown."""

    accuracy: float
    seed: int

    async def draw(self, task: int, number: int) -> Judgment:
        """A sample, the same whenever it is drawn."""
        chance = random.Random(f"{self.seed} {self.accuracy} {task} {number}")
        read, right = chance.random() >= UNREADABLE, chance.random() < self.accuracy
        scores = (1.0, 0.0) if right else (0.0, 1.0)
        return Judgment(
            task_id=str(task),
            order=(0, 1),
            scores=scores if read else None,
            status=JudgmentStatus.OK if read else JudgmentStatus.UNPARSEABLE,
            usage=Usage(calls=1, completion_tokens=int(chance.expovariate(1 / MEAN_TOKENS)) + 1),
        )


def compare(judge: Judge, tasks: int, n: int) -> dict[str, Any]:
    """Both votes on every task."""
    scripted = Drawing(lambda number: None).samples
    full, stopped, sooner, same, changed = Usage(), Usage(), Usage(), 0, 0
    for task in range(tasks):
        samples = scripted._replace(draw=partial(judge.draw, task))
        whole = run(Vote(n=n).judge(samples))
        early = run(Vote(n=n, early_stop=True).judge(samples))
        risky = run(Vote(n=n, risk=RISK).judge(samples))
        full, stopped = full + whole.usage, stopped + early.usage
        sooner += risky.usage
        same += (whole.scores, whole.status) == (early.scores, early.status)
        changed += whole.scores != risky.scores
    return {
        "judge accuracy": judge.accuracy,
        "outcomes identical": f"{same} of {tasks}",
        "samples drawn": stopped.calls / tasks,
        "tokens, ratio to the full vote": stopped.completion_tokens / full.completion_tokens,
        "tokens saved": 1 - stopped.completion_tokens / full.completion_tokens,
        f"tokens saved at risk {RISK}": 1 - sooner.completion_tokens / full.completion_tokens,
        f"outcomes changed at risk {RISK}": changed / tasks,
    }


def main() -> int:
    """0 if every outcome was the same."""
    arguments = parser(__doc__).parse_args()
    tasks, n, seed = 50 if arguments.quick else 1000, 32, 0
    rows = [compare(Judge(accuracy, seed), tasks, n) for accuracy in ACCURACIES]
    title = f"A vote of {n} stopped early"
    record("early_stop", title, rows, arguments.out, unreadable=UNREADABLE, seed=seed)
    return 0 if all(row["outcomes identical"] == f"{tasks} of {tasks}" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
