"""Each file needs the framework it is named after: `make test-frameworks` puts it on the path."""

from __future__ import annotations

from pathlib import Path

import pytest

MARK = "frameworks"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The files import their frameworks, so other test runs do not even read them."""
    return None if config.option.markexpr == MARK else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(MARK)
