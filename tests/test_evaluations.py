"""Evaluations: from a judge or its records to scores, a folder, a page and a comparison."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from j1sdk_benchmarks.judgebench import JudgeBench
from j1sdk_benchmarks.rewardbench import SUBSETS, RewardBench
from judgebench_runs import CATEGORIES, FORM, fair, first, judging, write_rows
from recorded import A_WINS, B_WINS, TIE, drawn_pairs
from shell import invoke, refusal

from j1sdk import (
    ConfigError,
    Conversation,
    DataError,
    EngineError,
    JudgeRewardModel,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
    Vote,
)
from j1sdk.catalogue import catalogue
from j1sdk.evaluation.credits import CONSISTENT, STRICT, SUM_RULE
from j1sdk.evaluation.entries import read_entries
from j1sdk.evaluation.evaluations import (
    Evaluated,
    evaluate,
    evaluate_to_folder,
    read_evaluated,
)
from j1sdk.evaluation.metrics import measure
from j1sdk.evaluation.records import results_of
from j1sdk.judging import judge_benchmark
from j1sdk.judgments import read_records, write_records
from j1sdk.report import render
from j1sdk.report.benchmark_page import comparison_report


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path)


def value(evaluated: Evaluated, name: str) -> float:
    score = evaluated.strict.score(name)
    assert score is not None, f"there is no {name}"
    return score.value


def test_scores_metrics_and_subsets_are_of_the_records() -> None:
    records = drawn_pairs(CATEGORIES, 0, (A_WINS, B_WINS, TIE, None))
    found = evaluate(JudgeBench(), records)
    assert found.metrics == measure(results_of(records))
    assert list(found.subsets) == ["Knowledge", "Math"] and found.subsets["Math"].n == 12
    score = found.score(STRICT)
    assert score is not None and score.value == found.metrics.accuracy
    assert found.score("unheard of") is None and found.thought_length is None
    assert found.notes == ("32 of 350 tasks: not comparable with published figures.",)


def test_a_judge_is_asked_and_scored(rows: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "out"
    found = judge_benchmark(judging(fair), JudgeBench(path=rows), out, lambda *at: told.append(at))
    assert told == [(done, 12) for done in range(1, 13)]
    assert found.headline is not None and found.headline.value == 1
    assert value(found, CONSISTENT) == value(found, "Math") == value(found, "Coding") == 1
    assert found.strict.thought_length == len("<think>\nHm.\n</think>\n")
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json", "judgments.jsonl", "records-lenient.jsonl", "records.jsonl", "run.toml",
    ]  # fmt: skip


def test_interrupted_it_goes_on_where_it_stopped(rows: Path, tmp_path: Path) -> None:
    whole = judge_benchmark(judging(fair), JudgeBench(path=rows), tmp_path / "whole")
    judge_benchmark(judging(fair), JudgeBench(path=rows, limit=2), tmp_path / "out")
    again = judging(fair)
    resumed = judge_benchmark(again, JudgeBench(path=rows), tmp_path / "out")
    assert resumed.strict == whole.strict
    assert isinstance(again.engine, Scripted) and len(again.engine.asked) == 8


def test_another_judge_or_other_data_is_refused(rows: Path, tmp_path: Path) -> None:
    judge_benchmark(judging(fair), JudgeBench(path=rows), tmp_path / "out")
    with pytest.raises(ConfigError, match="another judge"):
        judge_benchmark(judging(fair, orders="first"), JudgeBench(path=rows), tmp_path / "out")
    rows.write_text(rows.read_text(encoding="utf-8").replace("Question 0", "Query 0"))
    with pytest.raises(ConfigError, match="another content"):
        judge_benchmark(judging(fair), JudgeBench(path=rows), tmp_path / "out")


def test_a_benchmark_of_which_a_judge_can_be_shown_nothing_is_refused(tmp_path: Path) -> None:
    from j1sdk_benchmarks.rewardbench2 import RewardBench2

    row = {"id": "ref:1", "prompt": "p", "chosen": ["a"], "rejected": ["b"], "subset": "Ties"}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    with pytest.raises(ConfigError, match="pairwise-verdict can be asked nothing of rewardbench-2"):
        judge_benchmark(judging(fair), RewardBench2(path=tmp_path / "rows.json"), tmp_path / "out")


def test_a_pointwise_judge_is_scored_by_the_same_rules(rows: Path, tmp_path: Path) -> None:
    form = Pointwise()
    engine = Scripted(
        script=lambda asked, sampling: form.write((7.0 if "right " in asked[-1].content else 3.0,))
    )
    judge = JudgeRewardModel(format=form, engine=engine)
    found = judge_benchmark(judge, JudgeBench(path=rows), tmp_path / "out")
    assert value(found, SUM_RULE) == value(found, CONSISTENT) == 1
    assert found.strict.metrics.accuracy_by_order == {}


def test_one_order_is_a_coins(rows: Path, tmp_path: Path) -> None:
    judge = judging(first, orders="first")
    found = judge_benchmark(judge, JudgeBench(path=rows), tmp_path / "out")
    assert found.strict.score(CONSISTENT) is None
    orders = {record.order for record in read_records(tmp_path / "out" / "records.jsonl")}
    assert orders == {(0, 1), (1, 0)}


def test_records_of_a_judge_score_as_the_judge_did(rows: Path, tmp_path: Path) -> None:
    judged = judge_benchmark(judging(first), JudgeBench(path=rows), tmp_path / "judged")
    records = read_records(tmp_path / "judged" / "records.jsonl")
    assert evaluate(JudgeBench(path=rows), records) == judged.strict


# Two readings


def loose(conversation: Conversation, sampling: Sampling) -> str | EngineError:
    text = conversation[-1].content
    if "Question 0" in text:
        return EngineError("gone")
    said = fair(conversation, sampling)
    return re.sub("</?answer>", "", said) if "Question 1" in text else said


def test_a_lenient_reading_asks_nobody_again(rows: Path, tmp_path: Path) -> None:
    judge = judging(loose)
    found = judge_benchmark(judge, JudgeBench(path=rows), tmp_path / "out")
    assert isinstance(judge.engine, Scripted) and len(judge.engine.asked) == 12
    assert found.lenient is not None
    strict, lenient = found.strict.metrics, found.lenient.metrics
    assert (strict.statuses["unparseable"], strict.statuses["engine_error"]) == (2, 2)
    assert (lenient.statuses["unparseable"], lenient.statuses["engine_error"]) == (0, 2)
    assert (strict.accuracy, lenient.accuracy) == (8 / 12, 10 / 12)
    assert list(found.readings) == ["strict", "lenient"]


def test_a_lenient_judge_is_read_strictly_too(rows: Path, tmp_path: Path) -> None:
    form = PairwiseVerdict(lenient=True)
    judge = JudgeRewardModel(format=form, engine=Scripted(script=loose))
    found = judge_benchmark(judge, JudgeBench(path=rows), tmp_path / "out")
    strict = judge_benchmark(judging(loose), JudgeBench(path=rows), tmp_path / "strict")
    assert (found.strict, found.lenient) == (strict.strict, strict.lenient)


def test_votes_have_one_reading(rows: Path, tmp_path: Path) -> None:
    judge = judging(fair, scaling=Vote(n=3), sampling=Sampling(temperature=1.0))
    found = judge_benchmark(judge, JudgeBench(path=rows), tmp_path / "out")
    assert found.lenient is None and list(found.readings) == ["as judged"]


# Folders


def test_a_folder_gives_back_what_was_written(tmp_path: Path) -> None:
    records = drawn_pairs(CATEGORIES, 0)
    written = evaluate_to_folder(JudgeBench(responses="gpt"), records, tmp_path)
    evaluated, read = read_evaluated(tmp_path, catalogue())
    assert (evaluated, list(read)) == (written, records)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("other.json", "", "holds no evaluation"),
        ("evaluation.json", "{", "is no evaluation of ours"),
        ("evaluation.json", '{"benchmark": {"name": "no-such"}}', "no benchmark is called"),
    ],
)
def test_a_folder_without_an_evaluation_is_named(
    name: str, text: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((DataError, ConfigError), match=complaint):
        read_evaluated(tmp_path, catalogue())


# The page


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    saved = JudgeRewardModel(format=FORM, engine=Scripted(answers=(FORM.write(A_WINS),) * 12))
    saved.save(tmp_path / "judge")
    return tmp_path / "judge"


def test_a_judge_is_evaluated_from_the_command_line(
    judge: Path, rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = invoke("eval", judge, "--benchmark", "judgebench", "--data", rows, "--out", out)
    assert result.exit_code == 0, result.output
    assert "judgebench" in result.output and "accuracy, sum rule" in result.output
    assert "Note: 6 of 350 tasks" in result.output and "Judgments: ok 12" in result.output
    assert "Position bias" in (out / "report.html").read_text(encoding="utf-8")


def test_recorded_judgments_are_scored_without_a_judge(tmp_path: Path) -> None:
    path, words = tmp_path / "r.jsonl", ("eval", "--benchmark", "rewardbench")
    write_records(path, drawn_pairs([(subset, 2) for subset in SUBSETS], 0))
    printed = json.loads(invoke(*words, "--judgments", path, "--json").output)
    expected = evaluate(RewardBench(), read_records(path))
    assert printed["strict"] == expected.model_dump(mode="json")
    assert invoke(*words, "--judgments", path, "--out", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "report.html").is_file()
    again = invoke(*words, "--judgments", tmp_path / "out" / "records.jsonl", "--json")
    assert json.loads(again.output)["strict"] == printed["strict"]


def test_judgments_of_ones_own_data_are_kept_and_scored_as_they_are(
    judge: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "pairs.jsonl", tmp_path / "out"
    rows = [{"prompt": f"q{n}", "chosen": "a", "rejected": "b", "subset": "s"} for n in range(3)]
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    measured = invoke("eval", judge, "--data", data, "--out", out, "--json")
    assert measured.exit_code == 0, measured.output
    found = json.loads(
        invoke(
            "eval", "--benchmark", "pairs", "--judgments", out / "judgments.jsonl", "--json"
        ).stdout
    )["strict"]
    assert found["metrics"] == json.loads(measured.stdout) and found["metrics"]["n"] == 3
    assert found["thought_length"] is not None and list(found["subsets"]) == ["s"]


def test_options_of_a_benchmark_are_set(rows: Path, judge: Path, tmp_path: Path) -> None:
    words = ("eval", judge, "--benchmark", "judgebench", "--data", rows, "--out", tmp_path / "o")
    assert "holds no task" in refusal(*words, "--set", "responses=claude")
    assert "responses: Input should be 'gpt' or 'claude'" in refusal(*words, "--set", "responses=x")
    assert "unknown key 'response'; did you mean" in refusal(*words, "--set", "response=gpt")
    assert "write OPTION=VALUE" in refusal(*words, "--set", "gpt")
    assert invoke(*words, "--set", "responses=gpt", "--limit", 1).exit_code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--benchmark", "judgebnch"), "no benchmark is called 'judgebnch'; did you mean"),
        (("--benchmark", "judgebench"), "give a JUDGE to be asked, or --judgments FILE.jsonl"),
        (("j", "--benchmark", "judgebench"), "give --out DIR to keep judgments in"),
        (("j", "--benchmark", "judgebench", "--judgments", "x"), "give a JUDGE to be asked, or"),
        (("j", "--benchmark", "judgebench", "--source", "x"), "leave out --source and --seed"),
        (("j", "--benchmark", "judgebench", "--seed", "1"), "leave out --source and --seed"),
        (("--judgments", "x"), "--judgments goes with --benchmark NAME"),
        (("j", "--set", "a=b"), "--set OPTION goes with --benchmark NAME"),
        ((), "no JUDGE: give a run file"),
        (("--benchmark", "judgebench", "--judgments", "absent"), "cannot read absent"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(words: tuple[str, ...], complaint: str) -> None:
    assert complaint in refusal("eval", *words)


def test_hostile_words_stay_words(rows: Path, tmp_path: Path) -> None:
    def script(conversation: Conversation, sampling: Sampling) -> str:
        return "<script>alert(1)</script>" + first(conversation, sampling)

    judge_benchmark(judging(script), JudgeBench(path=rows), tmp_path / "<b>out")
    html = render(comparison_report(read_entries([tmp_path / "<b>out"], catalogue())))
    assert "<script" not in html and "<b>out" not in html and "&lt;script&gt;" in html
