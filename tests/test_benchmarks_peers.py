"""The comparison with peers: what is audited, and a short run of j1sdk and its floor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from j1sdk import Completion, PairwiseVerdict, Unparseable
from j1sdk.deliberation import replay
from j1sdk.types import JudgmentTask, Presentation

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def module(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return __import__(name)


@pytest.fixture
def figures(tmp_path: Path) -> dict[str, Any]:
    """Of a quick run over pairs of our own."""
    pairs = tmp_path / "pairs.jsonl"
    lines = [{"prompt": f"{n}+1", "chosen": f"{n + 1}", "rejected": f"{n}"} for n in range(20)]
    pairs.write_text("\n".join(map(json.dumps, lines)))
    command = [sys.executable, str(BENCHMARKS / "peers.py"), "--quick"]
    command += ["--pairs", str(pairs), "--out", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "peers.md").read_text(encoding="utf-8").startswith("# j1sdk against")
    found: dict[str, Any] = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_nothing_malformed_is_scored_and_nothing_good_is_lost(figures: dict[str, Any]) -> None:
    ours = [row for row in figures["rows"] if row["arm"] == "j1sdk"]
    assert [row["arm"] for row in figures["rows"]] == ["floor", "j1sdk"] * 4
    assert all(row["good lost"].startswith("0 of ") for row in ours)
    assert all(row["malformed scored"].startswith("0 of ") for row in ours)
    assert all(row["misnamed"] == 0 for row in ours)
    many = [row for row in ours if row["malformed"] == 0.2]
    assert all(int(row["malformed scored"].split()[-1]) >= 3 for row in many), "nothing was proved"
    assert figures["facts"]["pairs"] == 20


def test_the_server_answers_a_prompt_alike_and_each_kind_in_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = module("peers_backend", monkeypatch)
    answers = [backend.answer_to(f"prompt {number}", 0.2, 0) for number in range(5000)]
    assert answers == [backend.answer_to(f"prompt {number}", 0.2, 0) for number in range(5000)]
    for kind in backend.KINDS:
        assert 0.03 < sum(answer.kind == kind for answer in answers) / 5000 < 0.05
    assert 0.005 < sum(answer.fails_first for answer in answers) / 5000 < 0.015
    assert 0.47 < sum(answer.verdict == "A" for answer in answers) / 5000 < 0.53


def test_what_is_called_malformed_is_and_what_is_called_good_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend, format = module("peers_backend", monkeypatch), PairwiseVerdict()
    for kind in backend.KINDS:
        with pytest.raises(Unparseable):
            format.parse(backend.in_tags(backend.Answer(kind, "A", False)))
    for verdict, scores in (("A", (1.0, 0.0)), ("B", (0.0, 1.0))):
        text = backend.in_tags(backend.Answer(backend.GOOD, verdict, False))
        assert format.parse(text) == scores and format.adheres(text)


def test_each_kind_has_the_status_that_the_audit_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, peers = module("peers_backend", monkeypatch), module("peers", monkeypatch)
    shown = Presentation(task=JudgmentTask(prompt="p", responses=("a", "b")), order=(0, 1))
    for kind in backend.KINDS:
        answer = backend.Answer(kind, "A", False)
        written = Completion(text=backend.in_tags(answer), finish_reason=answer.finish_reason)
        status = replay(PairwiseVerdict(), shown, written).status
        assert status == peers.STATUSES.get(kind, "unparseable")


def test_the_audit_counts_what_is_lost_scored_and_misnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = module("peers", monkeypatch)
    prompts = [f"prompt {number}" for number in range(300)]
    answers = [peers.answer_to(prompt, 0.2, peers.SEED) for prompt in prompts]
    right = [
        answer.verdict if answer.kind == peers.GOOD
        else peers.STATUSES.get(answer.kind, "unparseable") for answer in answers
    ]  # fmt: skip
    good = sum(answer.kind == peers.GOOD for answer in answers)
    found = peers.audit(prompts, right, 0.2)
    assert (found["good lost"], found["misnamed"]) == (f"0 of {good}", 0)
    assert found["malformed scored"] == f"0 of {300 - good}"
    always = peers.audit(prompts, ["A"] * 300, 0.2)
    assert always["malformed scored"] == f"{300 - good} of {300 - good}"
    lost = sum(answer.kind == peers.GOOD and answer.verdict == "B" for answer in answers)
    assert always["good lost"] == f"{lost} of {good}"
    assert peers.audit(prompts, ["error"] * 300, 0.2)["misnamed"] == 300 - good
