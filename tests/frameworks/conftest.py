"""Each file needs the framework it is named after: `make test-frameworks` puts it on the path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

MARK, HERE = "frameworks", Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The files import their frameworks, so other test runs do not even read them."""
    return None if config.option.markexpr == MARK else True


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # of every folder, not just of this one
        if item.path.is_relative_to(HERE):
            item.add_marker(MARK)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A file that skips itself, with its reason shown, is no failure."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.OK
