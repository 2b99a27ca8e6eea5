"""The page's code for eval-protocol, run by its own decorator; its clients of clouds are absent."""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest
from pages import blocks, executed, section

from j1sdk import Pointwise
from j1sdk.testing import judge_by_rule

ABSENT = ("litellm", "fireworks", "anthropic", "mcp")


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for packages that eval-protocol imports and that nothing here uses."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = stand_in  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def stand_in(name: str) -> type[Exception]:
    """A class by any name, as errors are caught by theirs."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (Exception,), {})


@pytest.fixture(autouse=True)
def _without_clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    yield


@pytest.mark.parametrize("value, score, valid", [("7", 0.7, True), ("?", 0.0, False)])
def test_a_failure_is_said_to_be_no_score(value: str, score: float, valid: bool) -> None:
    (code,) = blocks(section("frameworks", "eval-protocol"), "python")
    names = executed(code, judge=judge_by_rule(Pointwise()))
    turns = [("user", "Name a colour."), ("assistant", f"It is worth {value}.")]
    messages = [{"role": role, "content": content} for role, content in turns]
    result = asyncio.run(names["judged"](messages=messages))
    assert (result.score, result.is_score_valid) == (pytest.approx(score), valid)
