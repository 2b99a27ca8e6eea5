"""What `import j1sdk` and `j1 --help` cost, against importing what they stand on.

Each command is a new process; the commands take turns, and the cheapest of each counts. Processor
time is what is measured, so that other work on the machine does not show.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

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
    """Processor time of one process."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    arguments = parser(__doc__).parse_args()
    rounds = 2 if arguments.quick else 20
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, words in COMMANDS.items():
            times[name].append(seconds(words))
    floor = min(times[FLOOR])
    rows = [
        {"command": name, "CPU time, s": min(taken), f"ratio to {FLOOR!r}": min(taken) / floor}
        for name, taken in times.items()
    ]
    record("import_time", "Import time", rows, arguments.out, rounds=rounds)


if __name__ == "__main__":
    main()
