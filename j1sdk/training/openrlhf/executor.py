"""Both orders of a pair, trained together inside OpenRLHF's rollout workers.

OpenRLHF samples n completions of one dataset row, and calls an executor's `execute` once for each,
all on one event loop. Here those n share out the presentations of the row's task: slot 0 judges
the first order, slot 1 the second, and so on. Each publishes its judgment and waits for the
others; then all are graded together, so that rewards over both orders are exact and no rollout is
generated that is not trained on. Where the slots do not share out evenly (odd n), the last ones
draw the missing presentations' judgments as well, untrained.

Nothing here imports OpenRLHF: `agent_executor` makes the class it wants in its own process.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from j1sdk.deliberation import Deliberation
from j1sdk.engines.chat import render_chat, reserved_tokens
from j1sdk.errors import EngineError
from j1sdk.evaluation.metrics import RATES
from j1sdk.formats import JudgmentFormat, Turn
from j1sdk.judge import JudgeRewardModel
from j1sdk.rewards import RewardStrategy
from j1sdk.training.layout import decode, template_options
from j1sdk.training.rollouts import Grader, Rollout
from j1sdk.types import Completion, Judgment, JudgmentStatus, JudgmentTask, Presentation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
MATE_SECONDS = 1800.0
"""How long a finished rollout waits for its siblings before it is graded without them."""


class Trajectory(NamedTuple):
    """What one rollout trains on, and how it was judged."""

    tokens: list[int]
    """Prompt and response, and for a format of several turns all of them."""
    actions: list[tuple[int, int]]
    """Where the judge's own words begin and end."""
    log_probs: list[float] | None
    """Of every token, 0 where it is not the judge's; None where they were not asked for."""
    truncated: bool
    judgment: Judgment


class Group:
    """The n rollouts of one row, from when the first begins until the last is graded."""

    def __init__(self, judge: JudgeRewardModel, label: str, key: object) -> None:
        self.task = JudgmentTask.model_validate_json(label)
        self.shown = judge.presentations(self.task)
        self.key = key  # kept, so that nothing else can get its id
        self.judgments: dict[int, list[Judgment]] = {}
        self.size = 0
        self._judge, self._complete, self._left = judge, asyncio.Event(), 0

    def join(self) -> int:
        """A slot of this group."""
        self.size += 1
        return self.size - 1

    def share(self, slot: int) -> list[Presentation]:
        """What a slot judges: its own presentation and, if it is the last, those nobody has.

        Only once all have joined, which they have when the first completion returns.
        """
        count = len(self.shown)
        rest = self.shown[self.size % count :] if self.size % count else []
        return [self.shown[slot % count], *(rest if slot == self.size - 1 else [])]

    def publish(self, slot: int, judgments: Sequence[Judgment]) -> None:
        """Say how a slot was judged."""
        self.judgments[slot] = list(judgments)
        if len(self.judgments) == self.size:
            self._complete.set()

    async def everyone(self, seconds: float) -> list[Judgment]:
        """All judgments by slot; a slot that is late is an engine error."""
        try:
            await asyncio.wait_for(self._complete.wait(), seconds)
        except TimeoutError:
            logger.warning("task %s: %d of %d rollouts are late", self.task.id,
                           self.size - len(self.judgments), self.size)  # fmt: skip
        lost = EngineError(f"no judgment within {seconds:.0f} s of its sibling's")
        made = [self.judgments.get(slot) or [self.failed(slot, lost)] for slot in range(self.size)]
        return [judgment for slot in made for judgment in slot]

    def failed(self, slot: int, error: EngineError) -> Judgment:
        """The judgment of a slot that has none."""
        shown = self.shown[slot % len(self.shown)]
        deliberation = Deliberation(self._judge.format, shown, ())
        deliberation.fail(error)
        return deliberation.judgment

    def leave(self) -> bool:
        """Whether the one that leaves was the last."""
        self._left += 1
        return self._left == self.size


class PairedExecutor:
    """Rolls out, judges and grades; `execute` is what OpenRLHF calls."""

    def __init__(
        self, judge: JudgeRewardModel, rewards: Sequence[RewardStrategy],
        mate_seconds: float = MATE_SECONDS,
    ) -> None:  # fmt: skip
        self._judge, self._rewards, self._mate_seconds = judge, rewards, mate_seconds
        self._groups: dict[int, Group] = {}

    async def execute(
        self, prompt: str, label: str, sampling_params: Any, max_length: int, hf_tokenizer: Any,
        llm_engine: Any, images: Any = None, **_: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """One rollout as OpenRLHF wants it; its reward is there once its siblings are."""
        group = self._groups.get(id(sampling_params))
        if group is None:
            group = self._groups[id(sampling_params)] = Group(self._judge, label, sampling_params)
        slot = group.join()  # before anything is awaited: siblings must find the group
        writer = Writer(self._judge, hf_tokenizer, llm_engine, sampling_params, max_length)
        try:
            rolled = await self._roll(group, slot, writer)
            made = await group.everyone(self._mate_seconds)
            own = made[slot] if slot in group.judgments else rolled.judgment
            graded = self.grade(group, made)[slot]
        finally:
            if group.leave():
                self._groups.pop(id(group.key), None)
        return {
            "prompt": prompt, "label": label, "images": images, "mm_train_inputs": None,
            "observation_tokens": rolled.tokens, "action_ranges": rolled.actions,
            "rollout_log_probs": rolled.log_probs, "truncated": rolled.truncated,
            "reward": graded["j1/reward"],
            "scores": min(max(graded["j1/reward"], 0.0), 1.0),
            "extra_logs": graded | {"j1/tokens": float(own.usage.completion_tokens)},
        }  # fmt: skip

    async def _roll(self, group: Group, slot: int, writer: Writer) -> Trajectory:
        """The slot's own rollout; whatever happens, its siblings are told."""
        made: list[Judgment] = []
        try:
            await asyncio.sleep(0)  # all siblings are scheduled: now they join
            rolled = await writer.write(group.shown[slot % len(group.shown)])
            made.append(rolled.judgment)
            for shown in group.share(slot)[1:]:
                made.append((await writer.write(shown)).judgment)
            return rolled
        finally:
            group.publish(slot, made or [group.failed(slot, EngineError("the rollout ended"))])

    def grade(self, group: Group, judgments: Sequence[Judgment]) -> list[dict[str, float]]:
        """Per judgment its reward, the terms of it, and what the group has in common."""
        by_term = {
            reward.name: reward.grade(group.task, judgments, self._judge.format)
            for reward in self._rewards
        }
        common = self._statistics(group, judgments)
        weights = {reward.name: reward.weight for reward in self._rewards}
        graded = []
        for place in range(len(judgments)):
            terms = {name: float(values[place]) for name, values in by_term.items()}
            total = sum(weights[name] * value for name, value in terms.items())
            logged = {f"j1/reward/{name}": value for name, value in terms.items()}
            graded.append({"j1/reward": total, **logged, **common})
        return graded

    def _statistics(self, group: Group, judgments: Sequence[Judgment]) -> dict[str, float]:
        """Accuracy, flips, ties and failures of the group; the same keys every time."""
        grader = Grader(self._judge.format, self._rewards, len(judgments))
        by_place = {shown.order: shown for shown in group.shown}
        rollouts = [
            Rollout(0, by_place[judgment.order], Completion(text="")) for judgment in judgments
        ]
        unknown = dict.fromkeys(logged_keys(self._judge.format), 0.0)
        return unknown | grader.statistics(rollouts, judgments)


class Writer:
    """Lets OpenRLHF's engine write a judgment."""

    def __init__(
        self, judge: JudgeRewardModel, tokenizer: PreTrainedTokenizerBase, engine: Any,
        sampling: Any, max_length: int,
    ) -> None:  # fmt: skip
        self._judge, self._tokenizer, self._engine = judge, tokenizer, engine
        self._sampling, self._max_length = sampling, max_length

    async def write(self, shown: Presentation) -> Trajectory:
        """Judge a presentation, keeping every token."""
        deliberation = Deliberation(self._judge.format, shown, reserved_tokens(self._tokenizer))
        draft = Draft(self._tokenizer, self._sampling.logprobs is not None)
        while (turn := deliberation.turn) is not None:
            try:
                draft.say(render_chat(self._tokenizer, turn.say, **template_options(self._judge)))
                deliberation.send(draft.take(*await self._complete(draft.tokens, turn)))
            except EngineError as error:
                deliberation.fail(error)
        return draft.trajectory(deliberation.judgment)

    async def _complete(self, tokens: list[int], turn: Turn) -> tuple[Any, bool]:
        """What vLLM wrote, and whether a limit cut it; raises EngineError."""
        room = self._max_length - len(tokens)
        if room < 1:
            raise EngineError(f"the prompt has {len(tokens)} tokens, the limit is {room}")
        limits = (self._sampling.max_tokens, self._judge.sampling.max_new_tokens,
                  turn.max_new_tokens, room)  # fmt: skip
        params = copy.deepcopy(self._sampling)  # siblings share it
        params.max_tokens = min(limit for limit in limits if limit)
        params.stop = [*self._judge.sampling.stop, *turn.stop]
        params.include_stop_str_in_output = True
        try:
            request = await self._engine.generate(tokens, params)
        except Exception as error:  # whatever it is, the siblings' judgments must not be lost
            raise EngineError(f"OpenRLHF's engine failed: {error}") from error
        return request.outputs[0], request.outputs[0].finish_reason == "length"


class Draft:
    """A trajectory as it grows."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, with_probs: bool) -> None:
        self.tokens: list[int] = []
        self._tokenizer, self._text = tokenizer, ""
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
        read = decode(self._tokenizer, ids)
        self._text += str(self._tokenizer.decode(ids, skip_special_tokens=False))
        self._add(ids, log_probs(output))
        self._actions.append((start, start + len(ids)))
        self._cut = cut
        reason: Literal["stop", "length"] = "length" if cut else "stop"
        return read.model_copy(update={"finish_reason": reason, "prompt_tokens": start})

    def trajectory(self, judgment: Judgment) -> Trajectory:
        """What there is to train on: at the least an end-of-turn token."""
        if not self._actions:
            self._actions.append((len(self.tokens), len(self.tokens) + 1))
            self._add([int(self._tokenizer.eos_token_id or 0)], [0.0])
        return Trajectory(self.tokens, self._actions, self._probs, self._cut, judgment)

    def _add(self, ids: list[int], probs: list[float] | None) -> None:
        self.tokens += ids
        self._probs = None if self._probs is None or probs is None else self._probs + probs


def log_probs(output: Any) -> list[float] | None:
    """Log-probability of each token that was sampled; None where vLLM was not asked for them."""
    if output.logprobs is None:
        return None
    places = zip(output.token_ids, output.logprobs, strict=True)
    return [float(known[token].logprob) for token, known in places]


def logged_keys(format: JudgmentFormat) -> list[str]:
    """What every rollout of this format logs of its group; a pointwise judge has no flips."""
    rates = [name for name in RATES if format.arity > 1 or name != "verdict_flip_rate"]
    return [f"judge/{name}" for name in (*rates, *(f"status/{one}" for one in JudgmentStatus))]


def agent_executor(run_file: str | Path, base: type) -> type:
    """The class OpenRLHF loads by the name `AgentExecutor`: without arguments, once per engine."""

    class AgentExecutor(base):  # type: ignore[misc]
        def __init__(self) -> None:
            from j1sdk.config import read_run

            run = read_run(Path(run_file))
            rewards = getattr(run.train, "rewards", ())
            self._paired = PairedExecutor(run.judge, rewards)

        async def execute(self, *arguments: Any, **named: Any) -> dict[str, Any]:
            return await self._paired.execute(*arguments, **named)

    return AgentExecutor
