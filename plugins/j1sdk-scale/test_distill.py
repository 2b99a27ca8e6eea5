"""Distilling: the fast reading learns what thinking came to, and thinking stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from j1sdk_scale.distill import fast_answers
from tiny_training import FORMAT, described, train, untrained, write_pairs

from j1sdk import DataError, JudgeRewardModel, JudgmentTask, PairwiseVerdict
from j1sdk.judgments import line_of
from j1sdk.types import Judgment, JudgmentStatus, Message

FAST = PairwiseVerdict(thinking="none")


def judged(task: JudgmentTask, order: tuple[int, int], first: bool | None) -> Judgment:
    """A thought of one order, which names the first response shown, the other, or neither."""
    scores = None if first is None else (float(first), float(not first))
    text = "hm" if scores is None else FORMAT.write(scores, "1 and 1")
    return Judgment(
        task_id=task.id,
        order=order,
        scores=scores,
        status=JudgmentStatus.OK if scores else JudgmentStatus.UNPARSEABLE,
        transcript=(Message(role="user", content="?"), Message(role="assistant", content=text)),
    )


def test_each_verdict_is_an_answer_in_both_orders() -> None:
    task = JudgmentTask.from_pair("1+1?", "2", "3")
    judgments = [judged(task, (0, 1), True), judged(task, (1, 0), True), judged(task, (1, 0), None)]
    answers = [(shown.order, scores) for shown, scores in fast_answers(task, judgments)]
    assert answers == [
        ((0, 1), (1.0, 0.0)),  # the first judgment names response 0
        ((1, 0), (0.0, 1.0)),
        ((0, 1), (0.0, 1.0)),  # the second names response 1: so the labels are one half each
        ((1, 0), (1.0, 0.0)),
    ]


def write_thoughts(data: Path, out: Path) -> None:
    """Thoughts that name the first response of each task, whatever the order."""
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    tasks = [
        JudgmentTask.from_pair(row["prompt"], row["chosen"], row["rejected"], id=row["id"])
        for row in rows
    ]
    out.mkdir()
    lines = [
        line_of(judged(task, order, order == (0, 1)), task)
        for task in tasks
        for order in ((0, 1), (1, 0))
    ]
    (out / "judgments.jsonl").write_text("".join(line + "\n" for line in lines))


@pytest.mark.slow
def test_the_fast_reading_is_taught_and_the_judge_still_thinks(tmp_path: Path) -> None:
    data, thoughts = write_pairs(tmp_path / "pairs.jsonl", 16), tmp_path / "thoughts"
    write_thoughts(data, thoughts)
    options = {"name": "distill", "path": str(thoughts), "steps": 80, "batch_size": 8}
    quiet = {"report_to": [], "logging_steps": 1, "learning_rate": 1e-2}
    model, sampling = untrained(tmp_path / "model"), {"max_new_tokens": 40}
    run = described(model, data, options | quiet, sampling=sampling)
    train(run, tmp_path / "out")
    trained = JudgeRewardModel.load(tmp_path / "out" / "judge")
    assert trained.format == FORMAT  # it is saved as the thinker that it is
    tasks = run.data.load() if run.data else []
    for format in (FORMAT, FAST):
        results = trained.replace(format=format).judge(tasks)
        statuses = [one.status for result in results for one in result.judgments]
        assert statuses.count(JudgmentStatus.OK) >= 0.8 * len(statuses), format
        written = {one.text for result in results for one in result.judgments if one.ok}
        assert all(("<think>" in text) == (format == FORMAT) for text in written)


def test_judgments_of_other_tasks_are_refused(tmp_path: Path) -> None:
    data, thoughts = write_pairs(tmp_path / "pairs.jsonl", 4), tmp_path / "thoughts"
    write_thoughts(data, thoughts)
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"prompt": "?", "chosen": "a", "rejected": "b", "id": "x"}) + "\n")
    run = described(
        untrained(tmp_path / "model"), other, {"name": "distill", "path": str(thoughts)}
    )
    with pytest.raises(DataError, match="j1 judge writes them"):
        train(run, tmp_path / "out")
