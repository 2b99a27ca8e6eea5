"""`j1 view`: what runs have written, as a page, also while they write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from j1sdk_view.command import server
from j1sdk_view.following import KEPT, Following

from j1sdk import DataError, JudgmentTask, PairwiseVerdict
from j1sdk.deliberation import replay
from j1sdk.judgments import line_of
from j1sdk.types import Completion, presentations

FORMAT = PairwiseVerdict()


def lines_of(number: int, said: str = "") -> list[str]:
    """Both orders of a pair, of which a judge that names A is right in the first."""
    task = JudgmentTask.from_pair(f"Question {number}?", "yes", "no", id=f"pair-{number}")
    text = said or FORMAT.write((1.0, 0.0), f"thought {number} <b>")
    return [
        line_of(replay(FORMAT, shown, Completion(text=text)), task)
        for shown in presentations(task, 2)
    ]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    (folder / "judged").mkdir(parents=True)
    (folder / "trained").mkdir()
    lines = [line for number in range(3) for line in lines_of(number)] + lines_of(3, "hm")
    (folder / "judged/judgments.jsonl").write_text("".join(line + "\n" for line in lines))
    history = [{"step": step, "loss": 1 / step, "reward": 0.1 * step} for step in (1, 2, 3)]
    (folder / "trained/log.json").write_text(json.dumps(history))
    (folder / "trained/report.html").write_text("<html>the report</html>")
    (folder / "secret.txt").write_text("secret")
    (tmp_path / "report.html").write_text("outside")
    return folder


@pytest.fixture
def port(runs: Path) -> Iterator[int]:
    with server(runs) as serving:
        thread = Thread(target=serving.serve_forever)
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


def asked(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_everything_there_is_is_listed(port: int) -> None:
    status, page = asked(port, "/")
    assert status == 200
    for name in ("judged/judgments.jsonl", "trained/log.json", "trained/report.html"):
        assert f'href="/{name}"' in page
    assert "going on" in page and 'http-equiv="refresh"' in page and "secret" not in page


def test_a_training_is_drawn_as_far_as_it_is(port: int) -> None:
    status, page = asked(port, "/trained/log.json")
    assert status == 200 and "Step 3." in page and "Loss" in page and "<svg" in page


def test_judgments_are_counted_and_shown(port: int) -> None:
    _, page = asked(port, "/judged/judgments.jsonl")
    assert "8 judgments so far" in page and "thought 2 &lt;b&gt;" in page
    assert ">unparseable<" in page
    _, page = asked(port, "/judged/judgments.jsonl?outcome=unparseable")
    assert "thought" not in page.partition("<article")[2].partition("<script")[0]
    assert page.count("<article") == 1  # both orders of one pair, side by side
    _, page = asked(port, "/judged/judgments.jsonl?outcome=right")
    assert page.count("<article") == 3
    given, swapped = "A is response 0 (preferred)", "A is response 1, B is response 0 (preferred)"
    assert page.index(given) < page.index(swapped) and "least sure" not in page


def test_what_is_written_meanwhile_is_there_next_time(runs: Path, port: int) -> None:
    asked(port, "/judged/judgments.jsonl")
    with (runs / "judged/judgments.jsonl").open("a") as file:
        file.write(lines_of(9)[0] + "\n" + lines_of(9)[1][:40])
    _, page = asked(port, "/judged/judgments.jsonl")
    assert "9 judgments so far" in page and "thought 9" in page
    with (runs / "judged/judgments.jsonl").open("a") as file:
        file.write(lines_of(9)[1][40:] + "\n")
    assert "10 judgments so far" in asked(port, "/judged/judgments.jsonl")[1]


def test_what_is_over_is_not_loaded_anew(runs: Path, port: int) -> None:
    for path in runs.rglob("*.json*"):
        os.utime(path, (1, 1))
    assert "refresh" not in asked(port, "/judged/judgments.jsonl")[1]


@pytest.mark.parametrize(
    "path", ["/secret.txt", "/../report.html", "/%2e%2e/report.html", "/trained", "/a/report.html"]
)
def test_nothing_else_is_served(port: int, path: str) -> None:
    assert asked(port, path)[0] == 404


def test_a_page_elsewhere_cannot_read_runs(port: int) -> None:
    assert asked(port, "/", Host="evil.example")[0] == 403
    assert asked(port, "/", Host=f"localhost:{port}")[0] == 200


def test_a_script_in_a_judgment_stays_text(runs: Path, port: int) -> None:
    said = "</script><script>alert(1)</script>"
    with (runs / "judged/judgments.jsonl").open("a") as file:
        file.writelines(line + "\n" for line in lines_of(5, said))
    assert said not in asked(port, "/judged/judgments.jsonl")[1]


def test_a_line_that_is_no_judgment_is_named(runs: Path, port: int) -> None:
    (runs / "judged/judgments.jsonl").write_text("{}\n")
    status, said = asked(port, "/judged/judgments.jsonl")
    assert status == 500 and "judgments.jsonl" in said
    (runs / "trained/log.json").write_text('{"a"')
    assert asked(port, "/trained/log.json")[0] == 500


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "judgments.jsonl"
    line: Any = lines_of(0)[0] + "\n"
    path.write_text(line * (KEPT + 50))
    file = Following(path)
    file.look()
    assert file.counts == {"right": KEPT + 50} and len(file.latest()) == KEPT
    path.write_text(line)
    file.look()
    assert file.counts == {"right": 1}
    path.write_text("no\n" * 400)
    with pytest.raises(DataError):
        file.look()
