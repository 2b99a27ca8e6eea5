"""The contract of adapters that a framework opens from a connection file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import pytest

from j1sdk.adapters import Adapter, Scorer
from j1sdk.adapters.connection import Connection
from j1sdk.adapters.scorers import OwnJudge
from j1sdk.runfile import dump
from j1sdk.server import Serve, served
from j1sdk.testing import AdapterContract, Row

Rewards = list[float | None]


class ConnectedContract(AdapterContract):
    """The judge is behind a server: no file can hold the script of the contract's own."""

    @pytest.fixture(autouse=True)
    def _own_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def call(self, adapter: Adapter, scorer: Scorer, rows: Sequence[Row]) -> Rewards:
        if not isinstance(scorer, OwnJudge):
            return self.connected(adapter, self.written(adapter), rows)
        with served(scorer.judge, Serve(port=0)) as server:
            adapter = adapter.replace(url=server.url)
            return self.connected(adapter, self.written(adapter), rows)

    def written(self, adapter: Adapter) -> Path:
        """A connection file of this adapter, each with a name of its own."""
        described = dump(Connection(adapter=adapter))
        (file := self.folder / f"{abs(hash(described))}.toml").write_text(described)
        return file

    @abstractmethod
    def connected(self, adapter: Adapter, file: Path, rows: Sequence[Row]) -> Rewards:
        """The rewards that the framework takes of a batch, by the adapter of a connection file."""
