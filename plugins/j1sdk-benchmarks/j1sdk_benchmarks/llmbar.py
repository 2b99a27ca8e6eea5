"""LLMBar (princeton-nlp/LLMBar): 419 pairs of which one output follows the instruction.

Five sets, one of natural pairs and four adversarial ones, whose worse output looks the better.
Every pair is judged in both orders; a set's accuracy is the mean of the two, and an order without a
verdict is wrong. The adversarial score is the plain mean of the four sets: with the authors' own
result files that gives the 82.8% their paper reports for its best evaluator, where the mean over
pairs would be 84.5%. Beside accuracy they report how often both orders agree, two orders without
a verdict included. Ratings count half where they are equal or one is missing, and then disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from j1sdk import Benchmark, DataError, JudgeResult, JudgmentTask
from j1sdk.evaluation import (
    CONSISTENT,
    HALF,
    STRICT,
    Credits,
    Means,
    Number,
    Outcome,
    Row,
    outcomes,
    rows_at,
)

ADVERSARIAL = ("Neighbor", "GPTInst", "GPTOut", "Manual")
SETS = ("Natural", *ADVERSARIAL)
OFFICIAL, AGREEMENT = "accuracy of LLMBar", "agreement between orders"
READINGS = {
    "": OFFICIAL,
    ", position-consistent": CONSISTENT,
    ", agreement between orders": AGREEMENT,
}
"""What is reported of every set; the first is the official accuracy."""


class LLMBar(Benchmark):
    """LLMBar, by the averages of its paper."""

    name: ClassVar[str] = "llmbar"
    headline: ClassVar[str] = "Adversarial"
    known_subsets: ClassVar[Collection[str]] = SETS

    @property
    def size(self) -> int:
        return 419

    @property
    def how(self) -> str:
        return (
            "its data set there is a program that is no longer run. Take the folder Dataset/LLMBar"
            " of github.com/princeton-nlp/LLMBar, and give it as path (--data)"
        )

    def rows(self) -> Iterator[Row]:
        """The records of each set's dataset.json, with the `set` its folder is named after."""
        if self.path is None:
            yield from super().rows()  # says what is missing
            return
        for file in _files(self.path) if self.path.is_dir() else [self.path]:
            for row in rows_at(file):
                yield row._replace(values={**row.values, "set": file.parent.name})

    def read(self, row: Row) -> Iterator[JudgmentTask]:
        subset, label = row.text("set"), row.whole("label")
        if subset not in SETS:
            raise row.wrong("set", f"the file should be in a folder named {', '.join(SETS)}")
        if label not in (1, 2):
            raise row.wrong("label", f"expected 1 or 2, got {label}")
        yield JudgmentTask(
            prompt=row.text("input"),
            responses=(row.text("output_1"), row.text("output_2")),
            preferred=label - 1,
            subset=subset,
            id=f"{subset}/{row.where.rpartition(' ')[2]}",
        )

    def credits(self, result: JudgeResult) -> Credits:
        known = super().credits(result)
        ended = outcomes(result)
        if () in ended:
            agrees = ended[()] in (Outcome.RIGHT, Outcome.WRONG)
            return {OFFICIAL: known[HALF], AGREEMENT: float(agrees), **known}
        said = {None if one in (Outcome.TIED, Outcome.FAILED) else one for one in ended.values()}
        both = float(len(said) == 1) if len(ended) > 1 else None
        return {OFFICIAL: known[STRICT], AGREEMENT: both, **known}

    def aggregate(self, means: Mapping[str, Means]) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for words, credit in READINGS.items():
            for name, sets in (("Adversarial", ADVERSARIAL), ("average of five", SETS)):
                if credit in means and all(one in means[credit] for one in sets):
                    found[f"{name}{words}"] = means[credit].macro(sets)
        if OFFICIAL in means:
            found |= {one: means[OFFICIAL].of(one) for one in SETS if one in means[OFFICIAL]}
        return {**found, **super().aggregate(means)}

    def notes(self, means: Mapping[str, Means]) -> list[str]:
        missing = [one for one in ADVERSARIAL if OFFICIAL in means and one not in means[OFFICIAL]]
        return [f"No adversarial score: nothing of {', '.join(missing)}."] if missing else []


def _files(folder: Path) -> list[Path]:
    """The five sets' files; beside them the repository has other sets, and results of judges."""
    files = [file for name in SETS for file in sorted(folder.rglob(f"{name}/dataset.json"))]
    if not files:
        raise DataError(f"{folder} holds no <set>/dataset.json of {', '.join(SETS)}")
    return files
