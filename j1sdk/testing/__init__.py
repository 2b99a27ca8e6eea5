"""The contract suite: checks that a plugin's author runs on a component of their own.

    from j1sdk.testing import FormatContract

    class TestThumbs(FormatContract):
        component = Thumbs()

pytest collects the inherited checks. A component that cannot be built at import is set by a
fixture:

    class TestPairs(SourceContract):
        @pytest.fixture(autouse=True)
        def build(self, tmp_path):
            self.component = Pairs(path=write_pairs(tmp_path))

The judges they use are public: `oracle` is always right, `always_first` has only position bias.
"""

from j1sdk.testing.adapters import AdapterContract, Row, judge_by_rule, worth
from j1sdk.testing.benchmarks import BenchmarkContract
from j1sdk.testing.components import ComponentContract
from j1sdk.testing.engines import EngineContract
from j1sdk.testing.formats import FormatContract
from j1sdk.testing.judges import (
    always_first,
    example_presentations,
    example_tasks,
    isolated_catalogue,
    judged,
    oracle,
)
from j1sdk.testing.rankings import Compare, RankingContract
from j1sdk.testing.rewards import RewardContract
from j1sdk.testing.scalings import Drawing, ScalingContract
from j1sdk.testing.sources import SourceContract

__all__ = [
    "AdapterContract",
    "BenchmarkContract",
    "Compare",
    "ComponentContract",
    "Drawing",
    "EngineContract",
    "FormatContract",
    "RankingContract",
    "RewardContract",
    "Row",
    "ScalingContract",
    "SourceContract",
    "always_first",
    "example_presentations",
    "example_tasks",
    "isolated_catalogue",
    "judge_by_rule",
    "judged",
    "oracle",
    "worth",
]
