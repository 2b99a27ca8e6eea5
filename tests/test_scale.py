"""Test-time scaling, studied: the same samples for every strategy, none paid twice."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_budget_forcing import BudgetForcing
from j1sdk_scale.command import scale
from j1sdk_scale.page import spending_report
from j1sdk_scale.spending import Spending
from j1sdk_scale.study import (
    SAMPLES_FILE,
    SPENDING_FILE,
    scale_to_folder,
    with_samples,
)
from j1sdk_spct import MetaJudge

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    DataError,
    Engine,
    EngineError,
    JudgeRewardModel,
    JudgmentTask,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
    Vote,
)
from j1sdk.report import Curves, render
from j1sdk.run import Run, dump_run

VERDICT = PairwiseVerdict()
COUNTS = (1, 2, 4, 8)
TASKS = [
    JudgmentTask.from_pair(f"Question {n}?", f"right {n}", f"wrong {n}", id=f"pair-{n}")
    for n in range(40)
]


class Noisy(Engine):
    """Right three times in four, decided by the seed; and it counts what it is asked."""

    name = "noisy"
    asked: list[int] = []

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        self.asked.append(sampling.seed or 0)
        drawn = random.Random(sampling.seed)
        text, words = conversation[0].content, "hm " * drawn.randint(1, 20)
        if "0 to 10" in text:
            return Completion(text=Pointwise().write((float(drawn.randint(0, 10)),)))
        first = text.index("right") < text.index("wrong")
        right = drawn.random() < 0.75
        written = VERDICT.write((1.0, 0.0) if first == right else (0.0, 1.0), thought=words)
        return Completion(text=written, completion_tokens=len(written.split()))


def judging(**options: Any) -> JudgeRewardModel:
    known: dict[str, Any] = {
        "format": VERDICT,
        "engine": Noisy(asked=[]),
        "sampling": Sampling(temperature=1.0, seed=7),
    }
    return JudgeRewardModel(**(known | options))


def asked(judge: JudgeRewardModel) -> int:
    assert isinstance(judge.engine, Noisy)
    return len(judge.engine.asked)


def by_name(spent: Sequence[Spending]) -> dict[tuple[str, int], Spending]:
    return {(one.strategy, one.n): one for one in spent}


def test_every_strategy_is_measured_at_every_count(tmp_path: Path) -> None:
    spent = scale_to_folder(judging(), TASKS, COUNTS, tmp_path)
    names = ("vote", "vote, early stop", "mean")
    assert [(one.strategy, one.n) for one in spent] == [(a, b) for a in names for b in COUNTS]
    written = json.loads((tmp_path / SPENDING_FILE).read_text(encoding="utf-8"))
    assert [Spending.model_validate(one) for one in written] == spent


def test_each_sample_is_drawn_once_for_all_strategies(tmp_path: Path) -> None:
    judge = judging()
    scale_to_folder(judge, TASKS, COUNTS, tmp_path)
    assert asked(judge) == len(TASKS) * 2 * max(COUNTS)
    assert (tmp_path / SAMPLES_FILE).read_bytes().count(b"\n") == asked(judge)


def test_more_votes_are_better_and_cost_more(tmp_path: Path) -> None:
    found = by_name(scale_to_folder(judging(), TASKS, COUNTS, tmp_path))
    accuracy = [found["vote", n].metrics.accuracy or 0 for n in (1, 8)]
    assert accuracy[0] < accuracy[1] - 0.05
    tokens = [found["vote", n].tokens for n in COUNTS]
    assert tokens == sorted(tokens) and tokens[-1] > 7 * tokens[0]
    assert [found["vote", n].calls for n in COUNTS] == list(COUNTS)


def test_an_early_stop_has_the_votes_metrics_for_fewer_tokens(tmp_path: Path) -> None:
    found = by_name(scale_to_folder(judging(), TASKS, COUNTS, tmp_path))
    for n in COUNTS:
        full, stopped = found["vote", n], found["vote, early stop", n]
        same = {"mean_completion_tokens"}
        assert stopped.metrics.model_dump(exclude=same) == full.metrics.model_dump(exclude=same)
    assert found["vote, early stop", 8].tokens < 0.85 * found["vote", 8].tokens
    assert found["vote, early stop", 1].tokens == found["vote", 1].tokens


def test_what_was_drawn_is_not_drawn_again(tmp_path: Path) -> None:
    first = judging()
    half = scale_to_folder(first, TASKS[:20], (1, 2), tmp_path)
    again = judging()
    assert scale_to_folder(again, TASKS[:20], (1, 2), tmp_path) == half
    assert asked(again) == 0
    more = judging()
    assert scale_to_folder(more, TASKS, (1, 2), tmp_path)[0].metrics.n == 40
    assert asked(more) == 20 * 2 * 2


def test_a_sample_cut_short_by_a_crash_is_drawn_again(tmp_path: Path) -> None:
    whole = scale_to_folder(judging(), TASKS, (2,), tmp_path)
    path = tmp_path / SAMPLES_FILE
    path.write_bytes(path.read_bytes()[:-20])
    judge = judging()
    assert scale_to_folder(judge, TASKS, (2,), tmp_path) == whole
    assert asked(judge) == 1


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    scale_to_folder(judging(), TASKS, (2, 1), tmp_path, lambda *step: told.append(step))
    assert told[-1] == (160, 160)
    assert [done for done, _ in told] == list(range(161)), "told at each sample"


def test_the_judges_own_scaling_is_a_strategy(tmp_path: Path) -> None:
    scaling = MetaJudge(n=4, keep=2, format=Pointwise())
    found = by_name(scale_to_folder(judging(scaling=scaling), TASKS[:5], (1, 4), tmp_path))
    assert found["meta-judge", 4].calls == 8, "each sample and its grade"
    own = by_name(scale_to_folder(judging(scaling=Vote(n=3)), TASKS[:5], (1,), tmp_path / "vote"))
    assert {name for name, _ in own} == {"vote", "vote, early stop", "mean"}


@pytest.mark.parametrize(("n", "keep"), [(1, 1), (2, 1), (4, 2), (16, 8)])
def test_a_meta_judge_keeps_as_large_a_share(n: int, keep: int) -> None:
    scaling = MetaJudge(n=8, keep=4, format=Pointwise())
    assert with_samples(scaling, n) == MetaJudge(n=n, keep=keep, format=Pointwise())


def forcing() -> JudgeRewardModel:
    return judging(format=BudgetForcing(format=VERDICT, rounds=2))


def test_forced_thinking_has_a_control_of_as_many_tokens(tmp_path: Path) -> None:
    found = by_name(scale_to_folder(forcing(), TASKS, (1, 3), tmp_path))
    longest = 20 + 3
    for rounds in (1, 3):
        forced, control = found["budget-forcing", rounds], found["vote, tokens matched", rounds]
        assert forced.calls == 2 * rounds
        drawn = forced.metrics.intervals
        assert rounds == 1 or drawn != found["budget-forcing", 1].metrics.intervals
        assert forced.tokens <= control.tokens < forced.tokens + longest
    assert found["vote", 1].tokens < found["budget-forcing", 1].tokens


def test_votes_beside_forcing_are_of_the_unforced_judge(tmp_path: Path) -> None:
    forced = scale_to_folder(forcing(), TASKS, (1, 2), tmp_path / "forced")
    plain = scale_to_folder(judging(), TASKS, (1, 2), tmp_path / "plain")
    assert by_name(forced)["vote", 2] == by_name(plain)["vote", 2]


def test_forcing_too_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = scale_to_folder(forcing(), TASKS[:5], (1, 2), tmp_path)
    again = forcing()
    assert scale_to_folder(again, TASKS[:5], (1, 2), tmp_path) == first
    assert asked(again) == 0


def test_a_judge_that_does_not_sample_is_refused(tmp_path: Path) -> None:
    greedy = judging(sampling=Sampling())
    with pytest.raises(ConfigError, match="at temperature 0 all samples are alike: set sampling"):
        scale_to_folder(greedy, TASKS, COUNTS, tmp_path)
    assert not list(tmp_path.iterdir())
    assert scale_to_folder(greedy, TASKS[:3], (1,), tmp_path)[0].n == 1


def test_samples_of_other_tasks_or_judges_are_refused(tmp_path: Path) -> None:
    scale_to_folder(judging(), TASKS[:3], (1,), tmp_path)
    changed = [TASKS[0].model_copy(update={"responses": ("right!", "wrong!")})]
    with pytest.raises(ConfigError, match=r"task 'pair-0' has another content"):
        scale_to_folder(judging(), changed, (1,), tmp_path)
    other = judging(sampling=Sampling(temperature=0.5, seed=7))
    with pytest.raises(ConfigError, match="holds judgments of another judge"):
        scale_to_folder(other, TASKS[:3], (1,), tmp_path)


@pytest.mark.parametrize("line", ["{}", "[1]", "[0, {}]", "no json", "3"])
def test_a_file_of_something_else_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / SAMPLES_FILE
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"samples\.jsonl, line 1 is no sample of ours"):
        scale_to_folder(judging(), TASKS[:1], (1,), tmp_path)


def test_the_report_draws_every_rate_against_tokens(tmp_path: Path) -> None:
    spent = scale_to_folder(judging(), TASKS[:10], (1, 2), tmp_path)
    report = spending_report("A study", spent)
    charts = {block.title: block for block in report.blocks if isinstance(block, Curves)}
    assert list(charts) == [
        "Accuracy", "Position-consistent accuracy", "Verdict flip rate", "Tie rate", "Invalid rate",
    ]  # fmt: skip
    lines = charts["Accuracy"].series
    assert list(lines) == ["vote", "vote, early stop", "mean"]
    assert lines["vote"][1] == (spent[1].tokens, spent[1].metrics.rate("accuracy"))
    assert "tokens per judgment" in render(report)


def files(folder: Path, judge: JudgeRewardModel) -> tuple[str, str]:
    """A run file and its data."""
    run, data = folder / "run.toml", folder / "pairs.jsonl"
    run.write_text(dump_run(Run(judge=judge)), encoding="utf-8")
    rows = [{"prompt": "2+2?", "chosen": "4", "rejected": "5"}]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(run), str(data)


def test_the_command_draws_and_tabulates(tmp_path: Path, tiny_model: Path) -> None:
    from j1sdk import Transformers

    engine = Transformers(model=str(tiny_model), device="cpu")
    sampling = Sampling(temperature=1.0, seed=1, max_new_tokens=8)
    run, data = files(tmp_path, JudgeRewardModel(format=VERDICT, engine=engine, sampling=sampling))
    words = [run, "--data", data, "--n", "1,2", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(scale, words, env={"COLUMNS": "220"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "vote, early stop" in result.output and "invalid" in result.output
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("<svg") >= 3
    again = CliRunner().invoke(scale, words, env={"COLUMNS": "220"}, catch_exceptions=False)
    assert again.stdout == result.stdout


@pytest.mark.parametrize("counts", ["", "0", "1,x", "2,-1", "1;2"])
def test_counts_that_are_none_are_refused(tmp_path: Path, counts: str) -> None:
    run, data = files(tmp_path, JudgeRewardModel(format=VERDICT, engine=Scripted()))
    words = [run, "--data", data, "--out", str(tmp_path / "out"), "--n", counts]
    result = CliRunner().invoke(scale, words)
    assert result.exit_code == 2
    assert f"{counts!r} is no list of counts such as 1,2,4" in result.output


def test_a_dead_server_is_an_error_and_no_table(tmp_path: Path) -> None:
    """Nothing was judged, so there is nothing to draw; the reason is on the screen."""
    (tmp_path / "pairs.jsonl").write_text(
        '{"prompt": "2+2?", "chosen": "4", "rejected": "5"}\n', encoding="utf-8"
    )
    (tmp_path / "run.toml").write_text(
        '[judge]\nformat = "pairwise-verdict"\nsampling = { temperature = 1.0 }\n'
        '[judge.engine]\nname = "openai"\nmodel = "m"\n'
        'base_url = "http://localhost:1/v1"\nretries = 0\n',
        encoding="utf-8",
    )
    words = [str(tmp_path / "run.toml"), "--data", str(tmp_path / "pairs.jsonl"), "--n", "1,2"]
    result = CliRunner().invoke(scale, [*words, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, EngineError)
    assert "nothing could be judged: the engine failed on 4 of 4" in str(result.exception)
    assert "localhost:1" in str(result.exception) and not result.stdout
