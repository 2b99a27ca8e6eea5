"""What a judge's recorded judgments on a benchmark come to, in numbers and in a folder.

    evaluation = evaluate(JudgeBench(), read_records(Path("judgments.jsonl")))
    evaluation.headline          # Score(name="accuracy, sum rule", value=0.62, low=..., ...)

A folder of an evaluation holds `records.jsonl` and `evaluation.json`; where the judge's transcripts
could be read leniently too, also `records-lenient.jsonl`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from j1sdk.component import Finder, Value
from j1sdk.errors import DataError, explain
from j1sdk.evaluation.benchmarks import Benchmark
from j1sdk.evaluation.bootstrap import Score, resample, scores_of
from j1sdk.evaluation.calibration import Calibration, calibration_of
from j1sdk.evaluation.metrics import Metrics
from j1sdk.evaluation.records import RECORDS_FILE, by_task
from j1sdk.evaluation.survey import Survey
from j1sdk.files import write_text
from j1sdk.judgments import Record, read_records, write_records

EVALUATION_FILE, LENIENT_FILE = "evaluation.json", "records-lenient.jsonl"


class Evaluation(Value):
    """One reading of a judge's judgments on a benchmark."""

    scores: tuple[Score, ...]
    """Under every convention; the benchmark's `headline` is the official one."""
    metrics: Metrics
    subsets: dict[str, Metrics]
    thought_length: float | None
    """Mean characters of thought before the answer."""
    calibration: Calibration | None = None
    """Whether it is right as often as it says; None where no probabilities were recorded."""
    notes: tuple[str, ...] = ()

    def score(self, name: str) -> Score | None:
        """A score by its name; None where it is not known."""
        return next((score for score in self.scores if score.name == name), None)


class Evaluated(Value):
    """What a folder holds."""

    benchmark: Benchmark
    strict: Evaluation
    lenient: Evaluation | None = None
    """With answers counted wherever they are; None where the transcripts cannot be read so."""

    @property
    def readings(self) -> dict[str, Evaluation]:
        """The readings there are, by name."""
        if self.lenient is None:
            return {"as judged": self.strict}
        return {"strict": self.strict, "lenient": self.lenient}

    @property
    def headline(self) -> Score | None:
        """The official score; None where a part of the benchmark is missing."""
        return self.strict.score(self.benchmark.headline)


def evaluate(benchmark: Benchmark, records: Iterable[Record]) -> Evaluation:
    """The scores and metrics of recorded judgments. Raises DataError, MissingExtraError."""
    survey = Survey(benchmark)
    units = list(benchmark.units(survey.labelled(by_task(records))))
    metrics = survey.tally.metrics()
    heard = metrics.invalid_rate is not None
    scores = scores_of(benchmark, units) if heard else []
    return Evaluation(
        scores=tuple(scores),
        metrics=metrics,
        subsets={name: tally.metrics() for name, tally in survey.subsets.items()},
        thought_length=survey.thought_length,
        calibration=calibration_of(survey.chances),
        notes=(*survey.notes(), *benchmark.notes(resample(units, 0, 0))),
    )


def evaluate_readings(
    benchmark: Benchmark, records: Iterable[Record], lenient: Iterable[Record] | None = None
) -> Evaluated:
    """Evaluate the strict reading of a judge, and the lenient one where there is one."""
    return Evaluated(
        benchmark=benchmark,
        strict=evaluate(benchmark, records),
        lenient=None if lenient is None else evaluate(benchmark, lenient),
    )


def evaluate_to_folder(
    benchmark: Benchmark,
    records: Iterable[Record],
    out: Path,
    lenient: Iterable[Record] | None = None,
) -> Evaluated:
    """Evaluate both readings, and write them with their records. Raises as `evaluate` does."""
    write_records(out / RECORDS_FILE, records)
    if lenient is not None:
        write_records(out / LENIENT_FILE, lenient)
    evaluated = evaluate_readings(
        benchmark,
        read_records(out / RECORDS_FILE),
        None if lenient is None else read_records(out / LENIENT_FILE),
    )
    write_text(out / EVALUATION_FILE, evaluated.model_dump_json(indent=2))
    return evaluated


def read_evaluated(folder: Path, known: Finder) -> tuple[Evaluated, Iterator[Record]]:
    """The evaluation in a folder and its records; raises DataError, for those as they are read."""
    path = folder / EVALUATION_FILE
    try:
        text = path.read_text(encoding="utf-8")
        evaluated = Evaluated.model_validate_json(text, context=known)
    except OSError as error:
        raise DataError(
            f"{folder} holds no evaluation ({path}: {error.strerror}): make one with j1 eval"
            " --benchmark ... --out"
        ) from error
    except ValidationError as error:
        raise DataError(f"{path} is no evaluation of ours: {explain(error)[0]}") from error
    return evaluated, read_records(folder / RECORDS_FILE)
