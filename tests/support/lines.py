"""How tests are shared out to several processes: by whole files, and some files in one line.

pytest-xdist has a mark for this, `xdist_group`, which pytest 9.2 does not let it read.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling

LINES = (
    ("test_openrlhf_learning", "test_openrlhf_policy"),
    ("test_quickstart", "test_docs_confidence", "test_docs_data", "test_docs_scaling",
     "test_docs_training", "test_examples", "test_readme"),
)  # fmt: skip
"""Each would take the memory of two, or shares the finished quickstart."""
SLOW = {
    "test_benchmarks_consistency", "test_building", "test_cached_judging", "test_engines_opened",
    "test_real_model", "test_recipes", "test_server_faults", "test_serving_trl_thinking",
    "test_training_chain", "test_training_dpo", "test_training_multitask",
    "test_training_rejection", "test_training_session",
    "test_training_trl", "test_training_trl_limits",
}  # fmt: skip
"""Files that train, kill processes, or wait for many; as does whatever uses the quickstart."""
LONGEST = {name for line in LINES for name in line}
"""Those begin first."""


class LinesScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A process runs a line to its end, and then takes the next."""

    def _split_scope(self, nodeid: str) -> str:
        """The line of a test: the first of its files."""
        file = PurePosixPath(nodeid.split("::")[0]).stem
        return next((line[0] for line in LINES if file in line), nodeid.split("::")[0])
