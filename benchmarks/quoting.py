"""What quoting costs: a ranking of 16 long responses, and texts of growing length.

    python benchmarks/quoting.py

Sixteen responses of 20 KB of HTML are ranked by a round robin, 240 presentations, for a judge with
300 markers: every prompt is made, no model is asked. Beside it stands what the same work would
take if each presentation quoted the whole task with a pattern that names every marker in turn,
measured on a few texts. CPU seconds of this process. Goal: at most 1 for the ranking.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

from recording import Row, parser, record

from j1sdk import JudgmentTask, PairwiseVerdict, Presentation
from j1sdk.deliberation import question
from j1sdk.quoting import COMMON_SPECIAL_TOKENS, encodable, quote

GOAL = 1.0
RESPONSES, LENGTH, MARKERS, SEED = 16, 20_000, 300, 0
WORDS = ("<p>", "</p>", "<b>", "</b>", "<li>", "</li>", "<a href='/x'>", "</a>", "words", "and so")
FORMAT = PairwiseVerdict()


def reserved() -> frozenset[str]:
    """As many strings as make 300 markers with those of the format."""
    common = sorted(COMMON_SPECIAL_TOKENS | set(FORMAT.markers))
    more = [f"<|reserved_special_token_{number}|>" for number in range(MARKERS - len(common))]
    return frozenset(common + more)


def page(generator: random.Random, length: int) -> str:
    """HTML of about this many characters."""
    text = ""
    while len(text) < length:
        text += " ".join(generator.choices(WORDS, k=200)) + "\n"
    return text[:length]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ranked(task: JudgmentTask, markers: frozenset[str]) -> int:
    """Make every prompt of a round robin in both orders; how many there are."""
    orders = list(permutations(range(len(task.responses)), 2))
    for order in orders:
        question(FORMAT, Presentation(task=task, order=order), markers)
    return len(orders)


def one_by_one(text: str, markers: frozenset[str]) -> str:
    """Quoting with every marker by itself in the pattern."""
    longest_first = sorted(markers, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
    return pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", encodable(text))


def growth(markers: frozenset[str], generator: random.Random, sizes: list[int]) -> Iterator[Row]:
    """A row for each size, of a text with few markers and of one that is nothing but beginnings."""
    for size in sizes:
        for kind, text in (("HTML", page(generator, size)), ("only <", "<" * size)):
            spent = seconds(partial(quote, text, markers))
            yield {
                "work": f"quoting {size / 1e6:g} MB of {kind}",
                "CPU seconds": round(spent, 3),
                "beside": f"{spent / size * 1e6:.3f} per MB",
            }


def main() -> int:
    """0 if the goal was met."""
    arguments = parser(__doc__).parse_args()
    generator, markers = random.Random(SEED), reserved()
    count, sizes = (
        (4, [10_000]) if arguments.quick else (RESPONSES, [500_000, 2_000_000, 5_000_000])
    )
    responses = tuple(page(generator, LENGTH) for _ in range(count))
    task = JudgmentTask(prompt="Write a page.", responses=responses)
    spent = seconds(lambda: ranked(task, markers))
    presentations = count * (count - 1)
    few = responses[:4]
    single = seconds(lambda: [one_by_one(text, markers) for text in few]) / len(few)
    naive = single * presentations * (count + 1)
    rows = [
        {
            "work": f"ranking {count} responses of 20 KB",
            "CPU seconds": round(spent, 3),
            "beside": f"{naive:.1f} s, {naive / spent:.0f} times as much",
        },
        *growth(markers, generator, sizes),
    ]
    record(
        "quoting",
        "What quoting costs",
        rows,
        arguments.out,
        markers=len(markers),
        presentations=presentations,
        seed=SEED,
        goal=GOAL,
    )
    print(f"{spent:.3f} CPU seconds, goal {GOAL}")
    return 0 if spent <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
