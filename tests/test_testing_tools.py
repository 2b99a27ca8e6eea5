"""What authors of components have to test them with, and what a broken suite looks like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from broken_components import (
    NeverTheSame,
    RankingOf,
)
from suites import checks, suite

from j1sdk import (
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentStatus,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Ranking,
    Scores,
    Scripted,
)
from j1sdk.background import run
from j1sdk.errors import ConfigError, PluginError
from j1sdk.rankings.round_robin import RoundRobin
from j1sdk.testing import (
    Compare,
    EngineContract,
    FormatContract,
    RankingContract,
    always_first,
    example_presentations,
    example_tasks,
    isolated_catalogue,
    judged,
    oracle,
)


class TestOptions:
    def test_an_example_that_cannot_be_written_fails(self) -> None:
        class Suite(FormatContract):
            component = PairwiseScores()
            examples: Sequence[Scores] = ((7.25, 1.0),)

        with pytest.raises(AssertionError, match=r"cannot write \(7.25, 1.0\)"):
            Suite().test_reads_what_it_writes()

    def test_an_engine_without_seeds_need_not_repeat_itself(self) -> None:
        class Suite(EngineContract):
            component = NeverTheSame()
            repeatable = False

        for check in checks(Suite):
            getattr(Suite(), check)()

    def test_a_ranking_of_the_best_need_not_order_the_rest(self) -> None:
        class Suite(RankingContract):
            component = RankingOf(scores=lambda ranked: [one and float(one == 1) for one in ranked])
            total = False

        Suite().test_ranks_as_a_perfect_judge_does()
        with pytest.raises(AssertionError, match="is ranked"):
            suite(RankingContract, Suite.component).test_ranks_as_a_perfect_judge_does()  # type: ignore[attr-defined]


class TestJudges:
    @pytest.mark.parametrize("form", [PairwiseVerdict(), PairwiseScores(), Pointwise()])
    def test_the_oracle_is_always_right(self, form: JudgmentFormat) -> None:
        tasks = example_tasks()
        results = JudgeRewardModel(format=form, engine=oracle(form, tasks)).judge(tasks)
        assert [result.preferred for result in results] == [task.preferred for task in tasks]

    def test_the_oracle_does_not_guess(self) -> None:
        form = PairwiseVerdict()
        judge = JudgeRewardModel(format=form, engine=oracle(form, example_tasks()[:1]))
        (result,) = judge.judge(example_tasks()[1:2])
        assert {one.status for one in result.judgments} == {JudgmentStatus.ENGINE_ERROR}

    def test_always_first_flips_with_the_order(self) -> None:
        form = PairwiseScores()
        (result,) = JudgeRewardModel(format=form, engine=always_first(form)).judge(
            example_tasks()[:1]
        )
        assert [judgment.verdict() for judgment in result.judgments] == [0, 1]
        assert result.consistent is False
        assert result.preferred is None

    def test_judged_is_what_the_judge_would_have_made_of_it(self) -> None:
        form, shown = PairwiseVerdict(), example_presentations(2)[0]
        engine = Scripted(answers=(form.write((1.0, 0.0)), ""))
        judge = JudgeRewardModel(format=form, engine=engine)
        for made in judge.judge(example_tasks()[:1])[0].judgments:
            shown = next(one for one in example_presentations(2) if one.order == made.order)
            again = judged(form, shown, made.scores)
            assert (again.scores, again.status, again.text) == (made.scores, made.status, made.text)
            assert again.transcript == made.transcript

    def test_examples_cover_dialogue_reference_and_both_labels(self) -> None:
        tasks = example_tasks()
        assert {task.preferred for task in tasks} == {0, 1}
        assert any(len(task.prompt) > 1 for task in tasks)
        assert any(task.reference for task in tasks)
        for arity in (1, 2):
            shown = example_presentations(arity)
            assert len(shown) == 2 * len(tasks)
            assert {one.gold for one in shown} == ({0, 1} if arity == 2 else {0, None})

    def test_compare_remembers_what_it_was_asked(self) -> None:
        judge = Compare(lambda first, second: None if first else (0.0, 1.0))
        assert run(RoundRobin().rank(2, judge)) == (None, None)
        assert judge.asked == [(0, 1), (1, 0)]


class TestIsolatedHost:
    def test_it_holds_these_classes_of_any_kind_and_nothing_else(self) -> None:
        found = isolated_catalogue(Pointwise, RoundRobin, Pointwise)
        assert found.find("formats", "pointwise") is Pointwise
        assert found.find("rankings", "round-robin") is RoundRobin
        with pytest.raises(ConfigError, match="no format is called 'pairwise-verdict'"):
            found.find("formats", "pairwise-verdict")

    def test_a_broken_class_is_refused(self) -> None:
        class Nameless(Ranking):
            pass

        with pytest.raises(PluginError, match="Nameless has no `name`"):
            isolated_catalogue(Nameless)

    def test_an_empty_one_is_empty(self) -> None:
        assert isolated_catalogue().names("formats") == []


def test_importing_it_needs_neither_pytest_nor_anything_heavy() -> None:
    heavy = {"pytest", "hypothesis", "torch", "transformers", "trl"}
    code = f"import sys, j1sdk.testing; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pytest_collects_an_authors_suite_and_reports_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "test_author.py").write_text(
        "from j1sdk import PairwiseVerdict\n"
        "from j1sdk.testing import FormatContract\n"
        "class Quiet(PairwiseVerdict):\n"
        "    name = 'quiet'\n"
        "    def adheres(self, text): return False\n"
        "class TestGood(FormatContract):\n"
        "    component = PairwiseVerdict()\n"
        "class TestBad(FormatContract):\n"
        "    component = Quiet()\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    count = len(checks(FormatContract))
    assert f"1 failed, {2 * count - 1} passed" in done.stdout
    assert "TestBad::test_adheres_to_its_own_sections" in done.stdout
