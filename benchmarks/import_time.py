"""How long `import j1sdk` and `j1 --help` take, against importing what they stand on.

Each command is a new process; the commands take turns, and the fastest of each counts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

from recording import parser, record

J1 = str(Path(sys.executable).with_name("j1"))
FLOOR = "import pydantic, pluggy"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    FLOOR: ["-c", FLOOR],
    "from pydantic import BaseModel": ["-c", "from pydantic import BaseModel"],
    "import j1sdk": ["-c", "import j1sdk"],
    "j1 --help": [J1, "--help"],
}


def seconds(words: list[str]) -> float:
    """What one process takes."""
    start = perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return perf_counter() - start


def main() -> None:
    arguments = parser(__doc__).parse_args()
    rounds = 2 if arguments.quick else 20
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, words in COMMANDS.items():
            times[name].append(seconds(words))
    floor = min(times[FLOOR])
    rows = [
        {"command": name, "fastest, s": min(taken), f"ratio to {FLOOR!r}": min(taken) / floor}
        for name, taken in times.items()
    ]
    record("import_time", "Import time", rows, arguments.out, rounds=rounds)


if __name__ == "__main__":
    main()
