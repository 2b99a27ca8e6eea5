"""A reward server that is slow, scores at random and often says nothing of use: PORT SHARE SEED.

It has loaded everything when it says so, and listens once it is told to: the time a restart takes
is then that of a supervisor, and not of a busy machine's imports.
"""

from __future__ import annotations

import random
import sys

from reward_client import pointwise

from j1sdk import Pointwise
from j1sdk.server import Serve
from j1sdk.server.running import RewardServer

SECONDS = 0.5


def main(port: int, malformed: float, seed: int) -> None:
    generator = random.Random(seed)

    def answer(question: str) -> str:
        if generator.random() < malformed:
            return "I would rather not say."
        return Pointwise().write((round(10 * generator.random(), 1),))

    judge, options = pointwise(answer, latency=SECONDS), Serve(port=port, unscored="neutral")
    print("loaded", flush=True)
    sys.stdin.readline()
    server = RewardServer(judge, options)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
