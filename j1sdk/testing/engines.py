"""What must hold for an engine."""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from j1sdk.background import run
from j1sdk.engines import Engine, cut_after
from j1sdk.errors import ConfigError, EngineError
from j1sdk.testing.components import RUDE, ComponentContract
from j1sdk.types import Completion, Conversation, Message, Sampling


class EngineContract(ComponentContract):
    """Checks of an `Engine`. They ask for some fifty completions of at most 16 tokens."""

    component: Engine
    abstract = Engine
    repeatable = True
    """Set to False where a seed cannot fix what is written, as with many servers."""
    sampling = Sampling(temperature=1.0, max_new_tokens=16, seed=7)

    def test_completes(self) -> None:
        written = self._ask(_question("a tree"))
        assert isinstance(written, Completion) and written.text, "nothing was written"
        assert written.completion_tokens <= self.sampling.max_new_tokens, "wrote too much"

    def test_completes_many_at_once(self) -> None:
        asked = [_question(f"number {number}, {'very ' * number}old") for number in range(12)]
        together = [written.text for written in self._ask_all(asked)]
        assert len(together) == len(asked)
        if self.repeatable:
            alone = [self._ask(one).text for one in asked]
            assert together == alone, "a completion depends on what else is asked"

    def test_continues_an_assistant_message(self) -> None:
        asked, begun = _question("a river"), "In the beginning it was"
        if self.component.continues:
            written = self._ask((*asked, Message(role="assistant", content=begun)))
            assert not written.text.startswith(begun), "it repeats what it continues"
            read = self._ask(asked).prompt_tokens
            assert not read or written.prompt_tokens > read, "it drops what it should continue"

    def test_ends_with_a_stop_string(self) -> None:
        full = self._ask(_question("a mountain")).text
        stop = (re.findall("[ -~]", full[1:]) or [" "])[0]
        stopped = self._ask(_question("a mountain"), stop=(stop,))
        wanted = cut_after(full if self.repeatable else stopped.text, (stop,))
        assert stopped.text == wanted, f"did not end right behind {stop!r}"
        assert stop not in stopped.text or stopped.finish_reason == "stop", "no limit ended it"

    def test_respects_the_token_limit(self) -> None:
        full = self._ask(_question("a lake"))
        short = self._ask(_question("a lake"), max_new_tokens=1)
        assert short.completion_tokens <= 1, "wrote more tokens than it may"
        if self.repeatable and full.completion_tokens > 1:
            assert len(short.text) < len(full.text), "wrote more text than it may"
            assert short.finish_reason == "length", "does not say that it was cut short"

    def test_repeats_itself_with_a_seed(self) -> None:
        for changes in ({"seed": 1}, {"seed": 2}, {"temperature": 0.0}):
            first, second = (self._ask(_question("a sea"), **changes) for _ in range(2))
            assert not self.repeatable or first.text == second.text, f"not with {changes}"

    def test_is_its_options_also_when_used(self) -> None:
        assert self._ask(_question("a fire"))
        copied = self.component.replace()
        assert copied == self.component, "keep what it opens beside it: j1sdk.engines.opened"
        assert deepcopy(self.component) == copied, "a deep copy is another engine"
        try:
            pickled = pickle.dumps(copied)
        except (pickle.PicklingError, AttributeError, ConfigError):
            return  # an option does not, such as a function or a model in memory
        assert pickle.loads(pickle.dumps(self.component)) == pickle.loads(pickled)

    def test_fails_only_with_engine_error(self) -> None:
        for text in (*RUDE, "word " * 20_000):
            try:
                self._ask(_question(text))
            except EngineError as error:
                assert str(error), "an error without a word of explanation"

    def _ask(self, conversation: Conversation, **changes: Any) -> Completion:
        sampling = self.sampling.replace(**changes)
        return run(self.component.complete(conversation, sampling))

    def _ask_all(self, asked: Sequence[Conversation]) -> list[Completion]:
        async def gather() -> list[Completion]:
            waiting = [self.component.complete(one, self.sampling) for one in asked]
            return list(await asyncio.gather(*waiting))

        return run(gather())


def _question(about: str) -> Conversation:
    return (Message(role="user", content=f"Say something about {about}."),)
