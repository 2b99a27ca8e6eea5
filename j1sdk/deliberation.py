"""The one place where a format's conversation with a judge becomes a Judgment.

A `Deliberation` steps a format's generator. `deliberate` feeds it completions from an engine;
training feeds it the completions a trainer sampled (`replay`). Either way the same lines
catch `Unparseable` and its kin and make a status of them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable

from j1sdk.engines import Engine
from j1sdk.errors import EngineError, JudgmentError, OutOfRange
from j1sdk.formats import JudgmentFormat, Reading, Turn
from j1sdk.quoting import quote_presentation
from j1sdk.types import (
    Completion,
    Conversation,
    Judgment,
    JudgmentStatus,
    Message,
    Presentation,
    Sampling,
    Usage,
)

LONG = 50_000
"""Characters of responses that take more than a moment to quote."""


class Deliberation:
    """One presentation on its way to a judgment: ask `turn`, `send` the completion, repeat."""

    turn: Turn | None
    """What to say to the judge next; None once there is a judgment."""

    def __init__(
        self, format: JudgmentFormat, shown: Presentation, reserved: Iterable[str]
    ) -> None:
        self._format, self._shown = format, shown
        quoted = quote_presentation(shown, format.markers, reserved)
        self._generator = format.deliberate(quoted)
        self._transcript: Conversation = ()
        self._usage = Usage()
        self._judgment: Judgment | None = None
        self._advance(lambda: next(self._generator), cut=False)

    @property
    def judgment(self) -> Judgment:
        """The outcome; only once `turn` is None."""
        if self._judgment is None:
            raise RuntimeError("the deliberation is not over")
        return self._judgment

    def send(self, completion: Completion) -> None:
        """Take what the judge wrote for `turn`."""
        if self.turn is None:
            raise RuntimeError("the deliberation is over")
        self._transcript = _said(self.turn.say, completion)
        self._usage += completion.usage
        cut = completion.finish_reason == "length"
        self._advance(lambda: self._generator.send(completion), cut)

    def _advance(self, step: Callable[[], Turn], cut: bool) -> None:
        """Take the next turn, or the outcome; the one place that catches a JudgmentError."""
        try:
            self.turn = step()
        except StopIteration as finished:
            self._finish(finished.value)
        except OutOfRange as error:
            self._end(JudgmentStatus.OUT_OF_RANGE, str(error))
        except JudgmentError as error:
            status = JudgmentStatus.TRUNCATED if cut else JudgmentStatus.UNPARSEABLE
            self._end(status, str(error))

    def fail(self, error: EngineError) -> None:
        """The engine could not complete `turn`."""
        if self.turn is not None:
            self._transcript = self.turn.say
        self._generator.close()
        self._end(JudgmentStatus.ENGINE_ERROR, str(error))

    def _finish(self, reading: Reading) -> None:
        if len(reading.scores) != len(self._shown.order):
            shown, read = len(self._shown.order), len(reading.scores)
            raise RuntimeError(f"the format read {read} scores for {shown} responses")
        low, high = self._format.score_range
        if all(low <= score <= high for score in reading.scores):  # false for NaN
            self._end(JudgmentStatus.OK, reading=reading)
        else:
            read_as = ", ".join(f"{score:g}" for score in reading.scores)
            detail = f"the format read {read_as}, outside its range {low:g} to {high:g}"
            self._end(JudgmentStatus.OUT_OF_RANGE, detail)

    def _end(
        self, status: JudgmentStatus, detail: str = "", reading: Reading | None = None
    ) -> None:
        self.turn = None
        self._judgment = Judgment(
            task_id=self._shown.task.id,
            order=self._shown.order,
            scores=reading.scores if reading else None,
            status=status,
            detail=detail,
            transcript=self._transcript,
            rounds=reading.rounds if reading else (),
            probabilities=reading.probabilities if reading else (),
            usage=self._usage,
        )


def _said(say: Conversation, written: Completion) -> Conversation:
    """The conversation with what was written added, or put behind what it continues.

    A tag that the prompt opened stands before the answer, so that a transcript is whole.
    """
    *before, last = say
    continued = last.role == "assistant"
    begun = last.content if continued else ""
    said = Message(role="assistant", content=written.opened + begun + written.text)
    return (*before, said) if continued else (*say, said)


async def deliberate(
    format: JudgmentFormat,
    engine: Engine,
    sampling: Sampling,
    shown: Presentation,
    number: int = 0,
) -> Judgment:
    """Sample `number` of a presentation's judgment: an engine's judgments are all made here."""
    deliberation, turns = await _begun(format, shown, engine.reserved), 0
    while (turn := deliberation.turn) is not None:
        turns += 1
        limit = min(turn.max_new_tokens or sampling.max_new_tokens, sampling.max_new_tokens)
        seed = sampling.seed if turn.shared else seed_of(sampling.seed, shown, turns, number)
        drawn = sampling.model_copy(
            update={
                "seed": seed,
                "stop": (*sampling.stop, *turn.stop),
                "max_new_tokens": limit,
            }
        )
        ask = engine.complete_once if turn.shared else engine.complete
        try:
            deliberation.send(await ask(turn.say, drawn))
        except EngineError as error:
            deliberation.fail(error)
    return deliberation.judgment


async def _begun(
    format: JudgmentFormat, shown: Presentation, reserved: Iterable[str]
) -> Deliberation:
    """A deliberation. Long texts are quoted in a thread, for others to go on meanwhile."""
    if sum(map(len, shown.responses)) < LONG:
        return Deliberation(format, shown, reserved)
    return await asyncio.to_thread(Deliberation, format, shown, reserved)


def seed_of(seed: int | None, shown: Presentation, turn: int, number: int = 0) -> int | None:
    """A seed of its own for each question and sample: with one, all would be drawn alike."""
    if seed is None:
        return None
    named = f"{seed} {shown.task.id} {shown.order} {turn}" + (f" {number}" if number else "")
    return int.from_bytes(
        hashlib.sha256(named.encode("utf-8", "surrogatepass")).digest()[:4], "big"
    )


def replay(format: JudgmentFormat, shown: Presentation, completion: Completion) -> Judgment:
    """The judgment a recorded completion amounts to, for single-turn formats."""
    deliberation = Deliberation(format, shown, ())
    deliberation.send(completion)
    return deliberation.judgment


def question(format: JudgmentFormat, shown: Presentation, reserved: Iterable[str]) -> Conversation:
    """What a judge is asked first, with everything in it quoted."""
    turn = Deliberation(format, shown, reserved).turn
    return turn.say if turn else ()
