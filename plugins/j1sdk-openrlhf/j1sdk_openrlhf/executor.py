"""Both orders of a pair, trained together inside OpenRLHF's rollout workers.

OpenRLHF samples n completions of one dataset row, and calls an executor's `execute` once for each,
all on one event loop. Here those n share out the presentations of the row's task: slot 0 judges
the first order, slot 1 the second, and so on. Each publishes its judgment and waits for the
others; then all are graded together, so that rewards over both orders are exact and no rollout is
generated that is not trained on. Where the slots do not share out evenly (odd n), the last ones
draw the missing presentations' judgments as well, untrained.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from j1sdk.deliberation import Deliberation
from j1sdk.engines.chat import render_chat, reserved_tokens
from j1sdk.errors import EngineError
from j1sdk.evaluation.metrics import RATES
from j1sdk.formats import Turn
from j1sdk.judge import JudgeRewardModel
from j1sdk.training.layout import decode, template_options
from j1sdk.training.multitask import Assignment, Part, parts_of
from j1sdk.training.rollouts import Grader, Rollout, weighted_terms
from j1sdk.types import Completion, Judgment, JudgmentStatus, Presentation
from j1sdk_openrlhf.agent import (
    SHARE,
    TERM,
    Trajectory,
    agent_class,
    complete,
    log_probs,
)
from j1sdk_openrlhf.siblings import MATE_SECONDS, Groups, Siblings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Rolled(NamedTuple):
    """One rollout of the judge, and how it judged."""

    trajectory: Trajectory
    judgment: Judgment


class Group(Siblings[list[Judgment]]):
    """The rollouts of one task, in one format."""

    def __init__(self, parts: Sequence[Part], label: str) -> None:
        told = Assignment.model_validate_json(label)
        super().__init__(f"task {told.task.id}")
        self.part, self.task = parts[told.part], told.task
        self.shown = self.part.judge.presentations(self.task)

    def share(self, slot: int) -> list[Presentation]:
        """What a slot judges: its own presentation and, if it is the last, those nobody has.

        Only once all have joined.
        """
        count = len(self.shown)
        rest = self.shown[self.size % count :] if self.size % count else []
        return [self.shown[slot % count], *(rest if slot == self.size - 1 else [])]

    async def judgments(self, seconds: float) -> list[Judgment]:
        """All judgments by slot; a slot that has none in time is an engine error."""
        made = await self.everyone(seconds)
        known = [made.get(slot) or [self._missing(slot)] for slot in range(self.size)]
        return [judgment for slot in known for judgment in slot]

    def _missing(self, slot: int) -> Judgment:
        shown = self.shown[slot % len(self.shown)]
        deliberation = Deliberation(self.part.judge.format, shown, ())
        deliberation.fail(EngineError("the rollout was late, or ended without a judgment"))
        return deliberation.judgment


class PairedExecutor:
    """Rolls out, judges and grades; `execute` is what OpenRLHF calls."""

    def __init__(self, parts: Sequence[Part], mate_seconds: float = MATE_SECONDS) -> None:
        self._parts, self._mate_seconds = parts, mate_seconds
        self._logged = logged_keys(parts)
        self._groups = Groups[Group]()

    async def execute(
        self,
        prompt: str,
        label: str,
        sampling_params: Any,
        max_length: int,
        hf_tokenizer: Any,
        llm_engine: Any,
        images: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """One rollout as OpenRLHF wants it; its reward is there once its siblings are."""
        begin = partial(Group, self._parts, label)
        async with self._groups.join(sampling_params, begin) as (group, slot):
            judge = group.part.judge
            writer = Writer(judge, hf_tokenizer, llm_engine, sampling_params, max_length)
            rolled = [await writer.write(shown) for shown in group.share(slot)]
            group.publish(slot, [one.judgment for one in rolled])
            made = await group.judgments(self._mate_seconds)
            graded = self.grade(group, made)[slot]
        tokens = float(rolled[0].judgment.usage.completion_tokens)
        return rolled[0].trajectory.answer(
            prompt, label, images, graded["j1/reward"], graded | {"j1/tokens": tokens}
        )

    def grade(self, group: Group, judgments: Sequence[Judgment]) -> list[dict[str, float]]:
        """Per judgment its reward, the terms of it, and what the group has in common."""
        part, common = group.part, self._statistics(group, judgments)
        made = []
        for total, terms in weighted_terms(part.rewards, group.task, judgments, part.judge.format):
            logged = {part.named(name, TERM): value for name, value in terms.items()}
            made.append(common | logged | {"j1/reward": total})
        return made

    def _statistics(self, group: Group, judgments: Sequence[Judgment]) -> dict[str, float]:
        """Accuracy, flips, ties and failures of the group; the same keys every time."""
        part = group.part
        grader = Grader(part.judge.format, part.rewards, len(judgments))
        by_place = {shown.order: shown for shown in group.shown}
        rollouts = [
            Rollout(0, by_place[judgment.order], Completion(text="")) for judgment in judgments
        ]
        measured = grader.statistics(rollouts, judgments)
        share = {SHARE + part.title: 1.0} if part.title else {}
        known = {part.named(name): value for name, value in measured.items()}
        return dict.fromkeys(self._logged, 0.0) | known | share


class Writer:
    """Lets OpenRLHF's engine write a judgment."""

    def __init__(
        self,
        judge: JudgeRewardModel,
        tokenizer: PreTrainedTokenizerBase,
        engine: Any,
        sampling: Any,
        max_length: int,
    ) -> None:
        self._judge, self._tokenizer, self._engine = judge, tokenizer, engine
        self._sampling, self._max_length = sampling, max_length

    async def write(self, shown: Presentation) -> Rolled:
        """Judge a presentation, keeping every token."""
        deliberation = Deliberation(self._judge.format, shown, reserved_tokens(self._tokenizer))
        options = template_options(self._judge)
        draft = Draft(self._tokenizer, self._sampling.logprobs is not None, options)
        while (turn := deliberation.turn) is not None:
            try:
                draft.say(render_chat(self._tokenizer, turn.say, **options))
                deliberation.send(draft.take(*await self._complete(draft.tokens, turn)))
            except EngineError as error:
                deliberation.fail(error)
        return Rolled(draft.trajectory(), deliberation.judgment)

    async def _complete(self, tokens: list[int], turn: Turn) -> tuple[Any, bool]:
        """What vLLM wrote, and whether a limit cut it; raises EngineError."""
        limits = (self._judge.sampling.max_new_tokens, turn.max_new_tokens)
        stop = (*self._judge.sampling.stop, *turn.stop)
        return await complete(self._engine, tokens, self._sampling, self._max_length, limits, stop)


class Draft:
    """A trajectory as it grows."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, with_probs: bool, options: dict[str, Any]
    ) -> None:
        self.tokens: list[int] = []
        self._tokenizer, self._options, self._text = tokenizer, options, ""
        self._probs: list[float] | None = [] if with_probs else None
        self._actions: list[tuple[int, int]] = []
        self._cut = False

    def say(self, rendered: str) -> None:
        """Add what the conversation now says beyond what is there; raises EngineError."""
        if not rendered.startswith(self._text):
            raise EngineError("the chat template rewrites earlier turns: use a single-turn format")
        added = self._tokenizer(rendered[len(self._text) :], add_special_tokens=False)["input_ids"]
        self._text = rendered
        self._add(list(added), [0.0] * len(added))

    def take(self, output: Any, cut: bool) -> Completion:
        """Add what the judge wrote, as an engine of ours would have returned it."""
        ids, start = list(output.token_ids), len(self.tokens)
        read = decode(self._tokenizer, ids, **self._options)
        self._text += str(self._tokenizer.decode(ids, skip_special_tokens=False))
        self._add(ids, log_probs(output))
        self._actions.append((start, start + len(ids)))
        self._cut = cut
        reason: Literal["stop", "length"] = "length" if cut else "stop"
        return read.model_copy(update={"finish_reason": reason, "prompt_tokens": start})

    def trajectory(self) -> Trajectory:
        """What there is to train on: at the least an end-of-turn token."""
        if not self._actions:
            self._actions.append((len(self.tokens), len(self.tokens) + 1))
            self._add([int(self._tokenizer.eos_token_id or 0)], [0.0])
        return Trajectory(self.tokens, self._actions, self._probs, self._cut)

    def _add(self, ids: list[int], probs: list[float] | None) -> None:
        self.tokens += ids
        self._probs = None if self._probs is None or probs is None else self._probs + probs


def logged_keys(parts: Sequence[Part]) -> list[str]:
    """What every rollout logs beside its reward, of every part; a pointwise judge has no flips."""
    keys = []
    for part in parts:
        paired = part.judge.format.arity > 1
        rates = [name for name in RATES if paired or name != "verdict_flip_rate"]
        names = (*rates, *(f"status/{status}" for status in JudgmentStatus))
        keys += [part.named(name) for name in names]
        keys += [part.named(reward.name, TERM) for reward in part.rewards]
        keys += [SHARE + part.title] if part.title else []
    return keys


def agent_executor(run_file: str | Path, base: type) -> type:
    """The class OpenRLHF loads to train a run's judge."""

    def make() -> PairedExecutor:
        from j1sdk.run import read_run

        run = read_run(Path(run_file))
        formats = getattr(run.train, "multitask", ())
        return PairedExecutor(parts_of(run.judge, formats, getattr(run.train, "rewards", ())))

    return agent_class(base, make)
