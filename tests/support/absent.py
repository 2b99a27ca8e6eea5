"""Stands in for what a framework imports and no test here uses, such as clients of clouds."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds these packages, and whatever is imported from them."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in self._packages:
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


def without(*packages: str) -> None:
    """Have these packages stood in for, in this process from now on."""
    sys.meta_path.insert(0, Absent(packages))
