"""Training a judge on its own sampled judgments: by imitation of the right ones, or by DPO.

    [[train]]
    name = "rejection-sft"
    samples = 3
    drop_easy = true

    [[train]]
    name = "on-policy-dpo"
    rounds = 2

The judge that a phase starts from judges each presentation of its data `samples` times over. What
it wrote is in `out`/samples, as `j1 judge` would have recorded it; what is learnt from it is chosen
by the options of the source `judgments`. Each further round samples from what the last one made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from j1sdk.data import Source
from j1sdk.engines import Engine
from j1sdk.errors import DataError
from j1sdk.judge import JudgeRewardModel
from j1sdk.run import Run
from j1sdk.scaling.vote import Vote
from j1sdk.training import Interrupted, Progress, Trainer, begin
from j1sdk.training.chain import Chain, with_model
from j1sdk.training.trl import Sft, TrlTrainer
from j1sdk.training.trl_dpo import Dpo
from j1sdk.types import JudgmentTask
from j1sdk_family.judgments import Judgments, Selection
from j1sdk_family.reflections import CONNECTIVE, Reflections

SAMPLES, HINTED = "samples", "hinted"


class OwnJudgments(Selection, TrlTrainer):
    """A trainer that has the judge sample what it learns from."""

    samples: int = Field(default=8, ge=1)
    """Judgments sampled of each presentation."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the samples."""
    sampler: Engine | None = None
    """What samples instead of the judge's engine, such as vLLM; with the judge's weights in place
    of its own `model`."""
    hint: bool = False
    """Where no sample was right, sample once more with the preferred response shown as the
    reference answer. What is learnt from has no hint in its prompt (DeepSeek-GRM)."""
    rounds: int = Field(default=1, ge=1)
    """Times to sample and train, each time with the judge that the last round left."""

    @property
    def parts(self) -> tuple[Trainer, ...]:
        return (self.model_copy(update={"rounds": 1}),) * self.rounds

    def check(self, run: Run) -> None:
        super().check(run)
        self.sampling(run, self.samples)

    def train(
        self, run: Run, out: Path, resume: bool = False, progress: Progress | None = None
    ) -> list[dict[str, Any]]:
        if self.rounds > 1:
            return Chain(phases=self.parts).train(run, out, resume, progress)
        return super().train(run, out, resume, progress)

    def prepare(self, run: Run, out: Path, progress: Progress | None) -> None:
        tasks = self.source(run).load()
        if unknown := sum(task.preferred is None for task in tasks):
            raise DataError(
                f"{unknown} of {len(tasks)} tasks have no preferred response to tell"
                " right judgments by"
            )
        sample(self.sampling(run, self.samples), tasks, out, SAMPLES, progress)
        if self.hint:
            unsolved = [hinted(task) for task in self.recorded(run, out).unsolved()]
            sample(self.sampling(run, 1), unsolved, out, HINTED, progress)

    def lessons(self, run: Run, out: Path) -> Source:
        return self.recorded(run, out)

    def recorded(self, run: Run, out: Path) -> Judgments:
        """What was sampled, as a source."""
        known = (out / HINTED).is_dir()
        return Judgments(
            path=out / SAMPLES,
            data=self.source(run),
            hinted=out / HINTED if known else None,
            **{name: getattr(self, name) for name in Selection.model_fields},
        )

    def sampling(self, run: Run, samples: int) -> JudgeRewardModel:
        """The judge of the run, sampling so many judgments; its own copy of the model."""
        warm = {"temperature": self.temperature, "seed": run.seed}
        local = run.judge.engine.local
        return run.judge.replace(
            engine=with_model(self.sampler or run.judge.engine, local.model if local else ""),
            sampling=run.judge.sampling.replace(**warm),
            scaling=Vote(n=samples),
        )


class RejectionSft(Sft, OwnJudgments):
    """Supervised fine-tuning on the judge's own right judgments (rejection sampling)."""

    name: ClassVar[str] = "rejection-sft"
    reflect: bool = False
    """Learn second thoughts, spliced from two judgments (the source `reflections`)."""
    connective: str = CONNECTIVE
    """The words between two thoughts."""

    def lessons(self, run: Run, out: Path) -> Source:
        recorded = self.recorded(run, out)
        if not self.reflect:
            return recorded
        return Reflections(**dict(recorded), connective=self.connective)


class OnPolicyDpo(Dpo, OwnJudgments):
    """DPO on a right against a wrong judgment of the same presentation, both the judge's own."""

    name: ClassVar[str] = "on-policy-dpo"
    samples: int = Field(default=8, ge=2)
    """Judgments sampled of each presentation."""


def hinted(task: JudgmentTask) -> JudgmentTask:
    """The task with its preferred response as the reference answer."""
    return task.model_copy(update={"reference": task.responses[task.preferred or 0]})


def sample(
    judge: JudgeRewardModel,
    tasks: Sequence[JudgmentTask],
    out: Path,
    name: str,
    progress: Progress | None,
) -> None:
    """Judge the tasks into `out`/`name`, each process its share.

    Raises Interrupted, and EngineError where the engine failed on everything.
    """
    from j1sdk.background import run
    from j1sdk.judging import failures_in, judge_to_folder
    from j1sdk.training.session import all_processes, share

    reached, told = (0, 0), begin(progress, name)

    def watch(done: int, total: int) -> None:
        nonlocal reached
        reached = done, total
        if told:
            told(done, total)

    part, place = share(tasks)
    try:
        measured = judge_to_folder(judge, part, out / name / place, watch)
        failures_in(measured, out / name / place)
    except KeyboardInterrupt:
        raise Interrupted(*reached, out, name) from None
    finally:
        run(judge.engine.close())
    all_processes()
