"""A long piece of work in stages, each of which leaves its result in `stages/NAME.json`.

An interrupted run goes on where it was.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from j1sdk import ConfigError, JudgeResult, JudgeRewardModel, Run
from j1sdk.data import Source
from j1sdk.files import write_text
from j1sdk.runfile import versions
from j1sdk.training import Progress, Trainer
from j1sdk.training.session import LOG_FILE

METRICS_FILE = "metrics.json"

Announce = Callable[[str], Progress]
"""Called with a stage's title when it starts; returns what is told its steps."""
Stage = tuple[str, str]
"""A method's name, and what it does in words."""


class Staged(ABC):
    """Work in one folder, by one method a stage."""

    stages: ClassVar[tuple[Stage, ...]]

    def __init__(self, out: Path, seed: int, asked: Mapping[str, Any]) -> None:
        """`asked` is what a run in the folder must have been asked for to go on with it."""
        self.out, self.seed, self._asked = out, seed, {"seed": seed, **asked}

    @abstractmethod
    def metrics(self) -> dict[str, Any]:
        """The record of the run: what was measured, how long it took, and with what."""

    def run(self, announce: Announce, resume: bool = False) -> dict[str, Any]:
        """Run the stages that have no result yet; returns and writes the metrics."""
        self.claim(resume)
        self.run_stages(self.stages, announce)
        metrics = self.metrics()
        write_text(self.out / METRICS_FILE, json.dumps(metrics, indent=2))
        return metrics

    def result(self, stage: str) -> Any:
        """What a finished stage found."""
        return self.read(stage)["result"]

    def transcripts(self, stage: str) -> list[JudgeResult]:
        """A handful of judged tasks of an evaluation stage."""
        return [JudgeResult.model_validate(one) for one in self.result(stage)["examples"]]

    def log(self, stage: str) -> list[dict[str, Any]]:
        """A training stage's log."""
        history: list[dict[str, Any]] = json.loads((self.folder(stage) / LOG_FILE).read_text())
        return history

    def circumstances(self) -> dict[str, Any]:
        """Seconds that each stage took, what was asked for, and with which packages."""
        seconds = {name: self.read(name)["seconds"] for name, _ in self.stages}
        return {"seconds": seconds, **self._asked, "versions": versions()}

    def learn(
        self,
        stage: str,
        judge: JudgeRewardModel,
        data: Source,
        trainer: Trainer,
        progress: Progress,
    ) -> Any:
        """Train a judge, which becomes the stage's; goes on from a checkpoint if there is one."""
        run = Run(judge=judge, data=data, train=trainer, seed=self.seed)
        history = trainer.train(run, self.folder(stage), resume=True, progress=progress)
        return {"last": history[-1]}

    def run_stages(self, stages: Sequence[Stage], announce: Announce) -> None:
        """Run those of the stages that have no result yet."""
        for name, title in stages:
            if not self._result_file(name).exists():
                self._run_stage(name, announce(title))

    def _run_stage(self, name: str, progress: Progress) -> None:
        before, started = self._spent(name), time.monotonic()
        try:
            result = self.work(name, progress)
        except BaseException:  # what an interrupted stage took is part of what it takes
            write_text(self._spent_file(name), json.dumps(before + time.monotonic() - started))
            raise
        seconds = round(before + time.monotonic() - started, 1)
        write_text(self._result_file(name), json.dumps({"result": result, "seconds": seconds}))

    def work(self, stage: str, progress: Progress) -> Any:
        """Do what a stage is for; returns its result."""
        return getattr(self, stage)(progress)

    def _spent(self, stage: str) -> float:
        file = self._spent_file(stage)
        return float(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else 0.0

    def _spent_file(self, stage: str) -> Path:
        return self.out / "stages" / f"{stage}.spent.json"

    def claim(self, resume: bool) -> None:
        """Make the folder; raises ConfigError if it holds another run, or one not to resume."""
        record = self.out / "quickstart.json"
        if self.out.exists() and any(self.out.iterdir()):
            if not resume:
                raise ConfigError(f"{self.out} is not empty: give --resume, or another --out")
            theirs = None
            with suppress(OSError, ValueError):
                theirs = json.loads(record.read_text(encoding="utf-8"))
            if theirs != self._asked:
                raise ConfigError(f"{self.out} holds something else than this run: another --out")
        write_text(record, json.dumps(self._asked))

    def folder(self, stage: str) -> Path:
        """Where a stage writes."""
        return self.out / "stages" / stage

    def judge_of(self, stage: str) -> Path:
        """The judge that a training stage made."""
        return self.folder(stage) / "judge"

    def _result_file(self, stage: str) -> Path:
        return self.out / "stages" / f"{stage}.json"

    def read(self, stage: str) -> dict[str, Any]:
        """The record of a finished stage: its result, and the seconds it took."""
        record: dict[str, Any] = json.loads(self._result_file(stage).read_text(encoding="utf-8"))
        return record


def kept(results: Sequence[JudgeResult]) -> dict[str, Any]:
    """What an evaluation records beside its metrics: verdicts by position, and some in full."""
    return {
        "verdicts": verdicts_by_position(results),
        "examples": [result.model_dump(mode="json") for result in results[:6]],
    }


def verdicts_by_position(results: Sequence[JudgeResult]) -> dict[str, int]:
    """How many judgments named the first response shown, the second, and none."""
    names = ("first response", "second response")
    counts = dict.fromkeys((*names, "no verdict"), 0)
    for judgment in (judgment for result in results for judgment in result.judgments):
        winner = judgment.verdict()
        named = "no verdict" if winner is None else names[judgment.order.index(winner)]
        counts[named] += 1
    return counts
