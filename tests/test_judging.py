"""Judging into a folder: nothing is lost, nothing is done twice, failures are statuses."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    DataError,
    EngineError,
    JudgeRewardModel,
    JudgmentTask,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
)
from j1sdk.engines.scripted import Answer, Script
from j1sdk.evaluation.metrics import Metrics, measure
from j1sdk.judging import METRICS_FILE, judge_to_folder
from j1sdk.judgments import JUDGMENTS_FILE, Transcribed

VERDICT = PairwiseVerdict()
J1 = str(Path(sys.executable).with_name("j1"))


def pairs(count: int, start: int = 0) -> list[JudgmentTask]:
    return [
        JudgmentTask.from_pair(f"Question {n}?", f"right {n}", f"wrong {n}", id=f"pair-{n}")
        for n in range(start, start + count)
    ]


def says(conversation: Conversation, sampling: Sampling) -> Answer:
    """A judge that finds the right answer wherever it stands."""
    text = conversation[-1].content
    scores = (1.0, 0.0) if text.index("right") < text.index("wrong") else (0.0, 1.0)
    return VERDICT.write(scores)


def judging(script: Script = says, **options: Any) -> JudgeRewardModel:
    return JudgeRewardModel(format=VERDICT, engine=Scripted(script=script), **options)


def lines(out: Path) -> list[dict[str, Any]]:
    text = (out / JUDGMENTS_FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def asked(judge: JudgeRewardModel) -> int:
    assert isinstance(judge.engine, Scripted)
    return len(judge.engine.asked)


def names(found: list[dict[str, Any]]) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((line["id"], tuple(line["order"])) for line in found)


def all_once(tasks: list[JudgmentTask]) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((task.id, order) for task in tasks for order in ((0, 1), (1, 0)))


def test_every_judgment_is_a_line_and_metrics_are_theirs(tmp_path: Path) -> None:
    tasks, out = pairs(3), tmp_path / "new" / "out"
    measured = judge_to_folder(judging(), tasks, out)
    assert names(lines(out)) == all_once(tasks)
    assert list(Transcribed(out / JUDGMENTS_FILE).values()) == [
        judgment for result in judging().judge(tasks) for judgment in result.judgments
    ]
    assert measured == measure(judging().judge(tasks))
    assert measured.accuracy == measured.position_consistent_accuracy == 1.0
    written = (out / METRICS_FILE).read_text(encoding="utf-8")
    assert Metrics.model_validate_json(written) == measured
    assert sorted(path.name for path in out.iterdir()) == [
        "judgments.jsonl", "metrics.json", "run.toml",
    ]  # fmt: skip


def test_nothing_is_judged_twice(tmp_path: Path) -> None:
    first = judge_to_folder(judging(), pairs(2), tmp_path)
    again = judging()
    assert judge_to_folder(again, pairs(2), tmp_path) == first
    assert asked(again) == 0
    more = judging()
    assert judge_to_folder(more, pairs(3), tmp_path).n == 3
    assert asked(more) == 2
    assert names(lines(tmp_path)) == all_once(pairs(3))


def test_metrics_are_of_the_tasks_that_were_asked_for(tmp_path: Path) -> None:
    judge_to_folder(judging(), pairs(4), tmp_path)
    assert judge_to_folder(judging(), pairs(1, start=2), tmp_path).n == 1


def test_progress_counts_what_was_there(tmp_path: Path) -> None:
    judge_to_folder(judging(), pairs(1), tmp_path)
    told: list[tuple[int, int]] = []
    judge_to_folder(judging(), pairs(4), tmp_path, lambda *step: told.append(step))
    assert told == [(done, 8) for done in range(3, 9)]


def test_a_half_written_last_line_is_judged_again(tmp_path: Path) -> None:
    tasks, path = pairs(2), tmp_path / JUDGMENTS_FILE
    judge_to_folder(judging(), tasks, tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for cut, lost in ((1, 0), (2, 1), (len(last) // 2, 1), (len(last) - 1, 1)):
        path.write_bytes(whole[:-cut])
        again = judging()
        judge_to_folder(again, tasks, tmp_path)
        assert asked(again) == lost, "all that is missing may be the line break"
        assert path.read_bytes() == whole


def interrupted_at(number: int) -> Script:
    """A judge during whose n-th answer somebody presses Ctrl-C."""
    count = 0

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        nonlocal count
        count += 1
        if count == number:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            time.sleep(0.2)
        return says(conversation, sampling)

    return script


@pytest.mark.usefixtures("heeding_interrupts")
@pytest.mark.parametrize("number", [1, 2, 17])
def test_an_interrupt_keeps_all_that_was_judged(tmp_path: Path, number: int) -> None:
    tasks = pairs(20)
    with pytest.raises(KeyboardInterrupt):
        judge_to_folder(judging(interrupted_at(number)), tasks, tmp_path)
    kept = len(Transcribed(tmp_path / JUDGMENTS_FILE))
    assert number - 1 <= kept < 40 and not (tmp_path / METRICS_FILE).exists()
    again = judging()
    judge_to_folder(again, tasks, tmp_path)
    assert asked(again) == 40 - kept
    assert names(lines(tmp_path)) == all_once(tasks)


def test_a_mistake_in_an_engine_is_raised_and_costs_what_was_in_flight(tmp_path: Path) -> None:
    tasks = pairs(20)

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        last = "Question 15?" in conversation[-1].content
        return TypeError("a mistake") if last else says(conversation, sampling)

    with pytest.raises(TypeError, match="a mistake"):
        judge_to_folder(judging(script), tasks, tmp_path)
    assert len(lines(tmp_path)) >= 30
    judge_to_folder(judging(), tasks, tmp_path)
    assert names(lines(tmp_path)) == all_once(tasks)


def moody(conversation: Conversation, sampling: Sampling) -> Answer:
    """Fails in a way of its own for each of the first three questions."""
    answers: dict[str, Answer] = {
        "Question 0?": EngineError("the server is down"),
        "Question 1?": "no idea",
        "Question 2?": Completion(text="<think>", finish_reason="length"),
    }
    found = [answers[key] for key in answers if key in conversation[-1].content]
    return found[0] if found else says(conversation, sampling)


def test_failures_are_counted_and_written(tmp_path: Path) -> None:
    measured = judge_to_folder(judging(moody), pairs(4), tmp_path)
    expected = {"ok": 2, "unparseable": 2, "truncated": 2, "out_of_range": 0, "engine_error": 2}
    assert measured.statuses == expected
    assert (measured.invalid_rate, measured.accuracy) == (0.75, 0.25)
    by_status = Counter(line["status"] for line in lines(tmp_path))
    assert by_status == Counter({name: count for name, count in expected.items() if count})
    down = [line for line in lines(tmp_path) if line["status"] == "engine_error"]
    assert all("the server is down" in line["detail"] and line["scores"] is None for line in down)


def test_only_what_the_engine_failed_on_is_asked_again(tmp_path: Path) -> None:
    """An answer that cannot be read is the judge's, and stays; a dead server's is nobody's."""
    judge_to_folder(judging(moody), pairs(4), tmp_path)
    again = judging()
    measured = judge_to_folder(again, pairs(4), tmp_path)
    assert asked(again) == 2 and len(lines(tmp_path)) == 8
    assert (measured.statuses["engine_error"], measured.statuses["unparseable"]) == (0, 2)
    judge_to_folder(judging(), pairs(4), tmp_path / "whole")
    assert names(lines(tmp_path)) == names(lines(tmp_path / "whole"))


@pytest.mark.parametrize(
    "change", [{"orders": "first"}, {"sampling": Sampling(temperature=1.0)},
               {"format": PairwiseVerdict(lenient=True)}],
)  # fmt: skip
def test_another_judges_folder_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    judge_to_folder(judging(), pairs(1), tmp_path)
    before = (tmp_path / JUDGMENTS_FILE).read_bytes()
    other = judging().model_copy(update=change)
    with pytest.raises(ConfigError, match=r"holds judgments of another judge .*run.toml.*--out"):
        judge_to_folder(other, pairs(2), tmp_path)
    assert (tmp_path / JUDGMENTS_FILE).read_bytes() == before
    assert asked(other) == 0


@pytest.mark.parametrize(
    "line", [b"not json\n", b"{}\n", b"[1]\n", b"\xff\n", b"\n", b'{"task_id": "pair-0"}\n'],
)  # fmt: skip
def test_a_line_that_is_not_ours_is_named_and_left_alone(tmp_path: Path, line: bytes) -> None:
    judge_to_folder(judging(), pairs(1), tmp_path)
    path = tmp_path / JUDGMENTS_FILE
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second)
    with pytest.raises(DataError, match=r"judgments\.jsonl, line 2 is no judgment of ours"):
        judge_to_folder(judging(), pairs(1), tmp_path)
    assert path.read_bytes() == first + line + second


def test_a_pointwise_judge_is_shown_each_response_of_any_number(tmp_path: Path) -> None:
    format = Pointwise()
    engine = Scripted(script=lambda asked, _: format.write((7.0,)))
    tasks = [
        JudgmentTask(prompt="p", responses=tuple("abc"), preferred=2, id="three"),
        JudgmentTask(prompt="p", responses=("a",), id="one"),
    ]
    measured = judge_to_folder(JudgeRewardModel(format=format, engine=engine), tasks, tmp_path)
    assert [(line["id"], line["order"]) for line in lines(tmp_path)] == [
        ("three", [0]), ("three", [1]), ("three", [2]), ("one", [0]),
    ]  # fmt: skip
    assert (measured.n, measured.accuracy, measured.tie_rate) == (2, 0.0, 1.0)
    assert measured.verdict_flip_rate is None


def test_one_order_is_one_line(tmp_path: Path) -> None:
    measured = judge_to_folder(judging(orders="first"), pairs(2), tmp_path)
    assert [line["order"] for line in lines(tmp_path)] == [[0, 1], [0, 1]]
    assert measured.verdict_flip_rate is None and measured.accuracy == 1.0


def test_a_pairwise_judge_refuses_three_responses_before_it_asks(tmp_path: Path) -> None:
    judge = judging()
    three = JudgmentTask(prompt="p", responses=tuple("abc"), id="three")
    with pytest.raises(ConfigError, match="task three has 3 responses"):
        judge_to_folder(judge, [*pairs(1), three], tmp_path)
    assert asked(judge) == 0


def test_tasks_without_gold_have_flips_and_no_accuracy(tmp_path: Path) -> None:
    tasks = [task.model_copy(update={"preferred": None}) for task in pairs(2)]
    measured = judge_to_folder(judging(), tasks, tmp_path)
    assert measured.accuracy is measured.position_consistent_accuracy is None
    assert (measured.verdict_flip_rate, measured.invalid_rate, measured.n) == (0.0, 0.0, 2)
    assert json.loads((tmp_path / METRICS_FILE).read_text())["accuracy"] is None


def test_nothing_to_judge_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to measure"):
        judge_to_folder(judging(), [], tmp_path)


def test_judgments_of_other_data_are_refused(tmp_path: Path) -> None:
    """Lines without an id are named by their number, which says nothing of what they hold."""
    first = JudgmentTask.from_pair("1+1", "2", "3", id="line-1")
    other = JudgmentTask.from_pair("2+2", "4", "5", id="line-1")
    judge = judging(script=lambda *_: VERDICT.write((1.0, 0.0)))
    judge_to_folder(judge, [first], tmp_path)
    with pytest.raises(ConfigError, match="other data: task 'line-1'"):
        judge_to_folder(judge, [other], tmp_path)
