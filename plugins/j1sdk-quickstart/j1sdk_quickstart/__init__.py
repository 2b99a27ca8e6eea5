"""Two worlds to begin with: one of sums, in which everything is tiny, and one of word problems.

`j1 quickstart --real` makes a pretrained model a judge of solutions to word problems. The tiny
world has verifiable tasks, a tokenizer and models that two cores train in minutes.

It is the same code path as a large run; only the model and the sizes differ. Sums of two
numbers from 0 to 99, written with fixed widths ("07+04" is "011"), can be checked, are not
trivial for a small network, and leave room for mistakes that look right.
"""

from __future__ import annotations

from j1sdk import hookimpl


@hookimpl
def sources() -> dict[str, str]:
    return {
        "arithmetic": "j1sdk_quickstart.tasks:Arithmetic",
        "word-problems": "j1sdk_quickstart.word_problems:WordProblems",
    }


@hookimpl
def commands() -> dict[str, tuple[str, str]]:
    return {
        "quickstart": (
            "j1sdk_quickstart.command:quickstart",
            "Train a biased judge to be fair, then a policy by that judge, on a CPU.",
        ),
    }
