"""Distributions with plugins, installed for a test."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from j1sdk.catalogue import Catalogue, PluginRecord

Install = Callable[..., Path]
_numbers = itertools.count()


def hook(returned: str) -> str:
    return f"{COIN}\n@hookimpl\ndef rankings(): return {returned}\n"


COIN = """
from j1sdk import Ranking, hookimpl

class Coin(Ranking):
    name = "coin"

    async def rank(self, count, judge):
        return (0.5,) * count
"""
GOOD = f"""{COIN}
@hookimpl
def rankings():
    return [Coin]
"""


def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """For a fixture: puts a distribution of one module on the path, and says where."""
    modules = []

    def put(
        source: str, point: str = "extra", distribution: str = "j1-extra", version: str = "1.0"
    ) -> Path:
        module = f"plugin_under_test_{next(_numbers)}"
        modules.append(module)
        folder = tmp_path / module
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[j1sdk]\n{point} = {module}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        return folder

    yield put
    for module in modules:
        sys.modules.pop(module, None)


def records(found: Catalogue, *names: str) -> list[PluginRecord]:
    return [record for record in found.records if record.name in names]


def record(found: Catalogue, name: str = "extra") -> PluginRecord:
    (only,) = records(found, name)
    return only
