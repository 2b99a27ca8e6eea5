"""What we ship passes the contract suites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk import (
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Scripted,
    Transformers,
)
from j1sdk.data.jsonl import JsonLines
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.rewards.format_adherence import FormatAdherence
from j1sdk.rewards.score_ordering import ScoreOrdering
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.testing import (
    EngineContract,
    FormatContract,
    RankingContract,
    RewardContract,
    SourceContract,
)


class TestPairwiseVerdict(FormatContract):
    component = PairwiseVerdict()


class TestPlannedVerdict(FormatContract):
    component = PairwiseVerdict(thinking="plan")


class TestLenientVerdict(FormatContract):
    component = PairwiseVerdict(lenient=True)


class TestPairwiseScores(FormatContract):
    component = PairwiseScores()
    examples = ((7.5, 4.0), (3.0, 3.0), (0.1, 9.9))


class TestLenientScores(FormatContract):
    component = PairwiseScores(lenient=True, low=-1, high=1)


class TestPairwiseVerdictScores(FormatContract):
    component = PairwiseVerdictScores()


class TestPointwise(FormatContract):
    component = Pointwise()
    examples = ((7.5,),)


class TestPlannedPointwise(FormatContract):
    component = Pointwise(thinking="plan", low=1, high=5)


class TestVerdictAtOnce(FormatContract):
    component = PairwiseVerdict(thinking="none")


class TestScoresAtOnce(FormatContract):
    component = PairwiseScores(thinking="none")


class TestPointwiseAtOnce(FormatContract):
    component = Pointwise(thinking="none")


class TestScripted(EngineContract):
    component = Scripted(script=lambda asked, sampling: f"{asked[0].content} " * 20)


class TestTransformers(EngineContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def build(cls, tiny_model: Path) -> None:
        cls.component = Transformers(model=str(tiny_model), device="cpu")


class TestVerdictCorrectness(RewardContract):
    component = VerdictCorrectness(unparseable=-1.0, tied=-0.5)
    failed = -1.0


class TestVerdictConsistency(RewardContract):
    component = VerdictConsistency(weight=2.0)


class TestPairedWithAll(RewardContract):
    component = VerdictConsistency(pairing="all", unparseable=-2.0)
    failed = -2.0


class TestScoreOrdering(RewardContract):
    component = ScoreOrdering()


class TestFormatAdherence(RewardContract):
    component = FormatAdherence()


class TestRoundRobin(RankingContract):
    component = RoundRobin()


class TestJsonLines(SourceContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        records = [{"prompt": f"{n}+{n}?", "chosen": f"{2 * n}", "rejected": "?"} for n in range(5)]
        path = tmp_path / "pairs.jsonl"
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
        self.component = JsonLines(path=path)


class TestArithmetic(SourceContract):
    component = Arithmetic(limit=20)
