"""Building into a folder: nothing is lost, nothing is done twice, every failure is counted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from j1sdk_data.builders import ENGINE_ERROR, Builder, Built, Item
from j1sdk_data.builders.verified_solutions import VerifiedSolutions
from j1sdk_data.building import (
    COUNTS_FILE,
    LONGEST_DETAIL,
    OUTCOMES_FILE,
    PAIRS_FILE,
    Build,
    Counts,
    build_to_folder,
    read_build,
)
from j1sdk_quickstart.sums import draw
from pydantic import Field

from j1sdk import ConfigError, DataError, EngineError, Message, Usage
from j1sdk.cli import j1
from j1sdk.data.jsonl import JsonLines
from j1sdk.runfile import dump
from j1sdk.workfolder import RECORD_FILE

ITEMS = 84
J1 = str(Path(sys.executable).with_name("j1"))


class Evens(Builder):
    """Makes a pair of every even number; the odd ones fail, and some break the engine."""

    name: ClassVar[str] = "evens"
    failures: ClassVar[tuple[str, ...]] = ("odd", "never")
    count: int = 4
    broken: frozenset[int] = frozenset()
    text: str = "p"
    asked: list[str] = Field(default_factory=list, exclude=True)

    def items(self) -> Iterator[Item]:
        for number in range(self.count):
            yield Item(id=f"n{number}", prompt=f"{self.text}{number}", subset="s")

    async def build(self, item: Item) -> Built:
        self.asked.append(item.id)
        number = int(item.id[1:])
        if number in self.broken:
            raise EngineError(f"engine broke at {number}")
        if number % 2:
            return Built(failure="odd", detail="x" * 5000, counts={"tried": 2})
        pair = item.task("good", f"bad {number}")
        return Built(pairs=(pair,), counts={"tried": 1}, usage=Usage(calls=1, completion_tokens=3))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_pairs_are_lines_and_counts_add_up(tmp_path: Path) -> None:
    counts = build_to_folder(Evens(count=5, broken=frozenset({2})), tmp_path)
    assert lines(tmp_path / PAIRS_FILE) == [
        {"prompt": f"p{n}", "chosen": "good", "rejected": f"bad {n}", "id": f"n{n}", "subset": "s"}
        for n in (0, 4)
    ]
    assert (counts.items, counts.built, counts.pairs) == (5, 2, 2)
    assert counts.failures == {"odd": 2, "never": 0, ENGINE_ERROR: 1}
    assert counts.items == counts.built + sum(counts.failures.values())
    assert counts.counts == {"tried": 6}
    assert counts.usage == Usage(calls=2, completion_tokens=6)
    assert {"python", "j1sdk"} <= set(counts.made_with)
    written = (tmp_path / COUNTS_FILE).read_text(encoding="utf-8")
    assert Counts.model_validate_json(written) == counts


def test_the_pairs_are_read_as_the_tasks_they_were(tmp_path: Path) -> None:
    class Talks(Evens):
        name = "talks"

        async def build(self, item: Item) -> Built:
            said = (Message(role="system", content="s"), Message(role="user", content="\u2028u"))
            known = item.model_copy(update={"prompt": said, "reference": "r", "subset": None})
            return Built(pairs=(known.task("a\n", "b", "/0"), known.task("a\n", "c", "/1")))

    build_to_folder(Talks(count=2), tmp_path)
    tasks = JsonLines(path=tmp_path / PAIRS_FILE).load()
    assert [task.id for task in tasks] == ["n0/0", "n0/1", "n1/0", "n1/1"]
    assert tasks[0].prompt[1].content == "\u2028u" and tasks[0].prompt[0].role == "system"
    assert (tasks[1].responses, tasks[1].reference) == (("a\n", "c"), "r")


def test_a_failure_says_what_was_in_the_way(tmp_path: Path) -> None:
    build_to_folder(Evens(count=4, broken=frozenset({2})), tmp_path)
    built = {one["id"]: one["built"] for one in lines(tmp_path / OUTCOMES_FILE)}
    assert (built["n1"]["failure"], built["n1"]["detail"]) == ("odd", "x" * LONGEST_DETAIL)
    assert built["n2"]["detail"] == "engine broke at 2"


def test_nothing_is_built_twice_but_what_the_engine_failed_on(tmp_path: Path) -> None:
    build_to_folder(Evens(count=4, broken=frozenset({0})), tmp_path / "out")
    record = (tmp_path / "out" / RECORD_FILE).read_text(encoding="utf-8")
    healed = Evens(count=4)
    (tmp_path / "out" / RECORD_FILE).write_text(
        record.replace("broken = [\n    0,\n]", "broken = []"), encoding="utf-8"
    )
    counts = build_to_folder(healed, tmp_path / "out")
    assert healed.asked == ["n0"]
    assert counts.failures[ENGINE_ERROR] == 0
    build_to_folder(Evens(count=4), tmp_path / "whole")
    assert (tmp_path / "out" / PAIRS_FILE).read_bytes() == (
        tmp_path / "whole" / PAIRS_FILE
    ).read_bytes()


def test_a_limit_takes_the_first_and_is_no_other_builder(tmp_path: Path) -> None:
    assert build_to_folder(Evens(count=9), tmp_path, limit=3).items == 3
    again = Evens(count=9)
    assert build_to_folder(again, tmp_path).pairs == 5
    assert again.asked == [f"n{number}" for number in range(3, 9)]
    assert build_to_folder(Evens(count=9), tmp_path, limit=1).pairs == 1
    assert len(lines(tmp_path / PAIRS_FILE)) == 1


def test_progress_counts_what_was_there(tmp_path: Path) -> None:
    build_to_folder(Evens(count=9), tmp_path, limit=5)
    told: list[tuple[int, int]] = []
    build_to_folder(Evens(count=9), tmp_path, progress=lambda *step: told.append(step))
    assert told == [(done, 9) for done in range(5, 10)]


def test_another_builders_folder_is_refused(tmp_path: Path) -> None:
    build_to_folder(Evens(count=2), tmp_path)
    before = (tmp_path / PAIRS_FILE).read_bytes()
    other = Evens(count=3)
    with pytest.raises(ConfigError, match=r"holds pairs of another builder .*run.toml.*--out"):
        build_to_folder(other, tmp_path)
    assert (tmp_path / PAIRS_FILE).read_bytes() == before and not other.asked


def test_items_with_another_content_are_refused(tmp_path: Path) -> None:
    build_to_folder(Evens(count=2), tmp_path)
    record = tmp_path / RECORD_FILE
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('text = "p"', 'text = "q"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="other data: item 'n0' has another content"):
        build_to_folder(Evens(count=2, text="q"), tmp_path)


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b"\n", b"\xff\n"])
def test_a_line_that_is_not_ours_is_named(tmp_path: Path, line: bytes) -> None:
    build_to_folder(Evens(count=2), tmp_path)
    path = tmp_path / OUTCOMES_FILE
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + line + second)
    with pytest.raises(DataError, match=r"outcomes\.jsonl, line 2 is no outcome of ours"):
        build_to_folder(Evens(count=2), tmp_path)


def test_a_half_written_last_line_is_built_again(tmp_path: Path) -> None:
    build_to_folder(Evens(count=4), tmp_path)
    path, pairs = tmp_path / OUTCOMES_FILE, (tmp_path / PAIRS_FILE).read_bytes()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    again = Evens(count=4)
    build_to_folder(again, tmp_path)
    assert again.asked == ["n3"] and path.read_bytes() == whole
    assert (tmp_path / PAIRS_FILE).read_bytes() == pairs


def test_no_pair_at_all_is_an_error_that_tells_why(tmp_path: Path) -> None:
    class Odd(Evens):
        name = "odd"

        async def build(self, item: Item) -> Built:
            return Built(failure="odd", detail="too odd")

    with pytest.raises(DataError, match=r"be made of 4 items: odd 4\. The first: too odd"):
        build_to_folder(Odd(), tmp_path)
    assert json.loads((tmp_path / COUNTS_FILE).read_text())["failures"]["odd"] == 4


@pytest.mark.parametrize("wrong", [Built(), "both"])
def test_a_builder_that_says_nothing_or_both_is_a_mistake(tmp_path: Path, wrong: Any) -> None:
    class Mistaken(Evens):
        name = "mistaken"

        async def build(self, item: Item) -> Built:
            both = Built(pairs=(item.task("a", "b"),), failure="odd")
            return both if wrong == "both" else Built()

    with pytest.raises(TypeError, match="'mistaken' must give either pairs or a failure"):
        build_to_folder(Mistaken(), tmp_path)


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny policy after a short warm-up: it answers sums, and is right now and then."""
    from j1sdk_quickstart import policy
    from j1sdk_quickstart.models import make_model, make_tokenizer

    home = tmp_path_factory.mktemp("adder")
    tokenizer = make_tokenizer(())
    make_model(tokenizer, seed=0).save_pretrained(home / "base")
    tokenizer.save_pretrained(home / "base")
    policy.warm_up(home / "base", home / "adder", count=5000, forgets=0.0, seed=0)
    return home / "adder"


BUILD = """
[builder]
name = "verified-solutions"
path = "problems.jsonl"
fields = {{ prompt = "question", reference = "answer" }}
engine = {engine}
sampling = {{ temperature = 1.0, max_new_tokens = 6, seed = 0 }}
samples = {samples}
instruction = ""
"""
TINY = '{{ name = "transformers", model = "{}", device = "cpu", batch_size = 256 }}'


def write_build(home: Path, engine: str, samples: int = 8, *problems: dict[str, Any]) -> Path:
    rows = "\n".join(map(json.dumps, problems))
    (home / "problems.jsonl").write_text(rows, encoding="utf-8")
    text = BUILD.format(engine=engine, samples=samples)
    (home / "build.toml").write_text(text, encoding="utf-8")
    return home / "build.toml"


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once there is something in the file."""
    while not path.exists() or not path.stat().st_size:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.005)


def test_a_tiny_models_solutions_survive_kill_9(adder: Path, tmp_path: Path) -> None:
    generator = random.Random(0)
    drawn = [draw(generator, held_out=False) for _ in range(ITEMS)]
    problems = [{"question": one.question, "answer": one.answer} for one in drawn]
    build_file = write_build(tmp_path, TINY.format(adder), 8, *problems)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [J1, "data", "build", str(build_file), "--out"]
    with subprocess.Popen([*command, str(cut)], env=environment, stderr=subprocess.DEVNULL) as run:
        wait_for(cut / OUTCOMES_FILE, run)
        run.kill()
    assert run.returncode == -signal.SIGKILL
    assert not (cut / PAIRS_FILE).exists()
    for out in (cut, whole):
        done = subprocess.run(
            [*command, str(out)], env=environment, check=True, capture_output=True, text=True
        )
    for file in (OUTCOMES_FILE, PAIRS_FILE, COUNTS_FILE):
        assert (cut / file).read_bytes() == (whole / file).read_bytes()

    counts = Counts.model_validate_json((whole / COUNTS_FILE).read_text(encoding="utf-8"))
    assert counts.items == ITEMS == counts.built + sum(counts.failures.values())
    assert sum(counts.counts.values()) == counts.usage.calls == 8 * counts.items
    assert counts.pairs == counts.built > 0 and counts.failures["all_wrong"] > 0
    for shown in (f"{counts.pairs:,}", "all_wrong", "unreadable"):
        assert shown in done.stdout
    for task in JsonLines(path=whole / PAIRS_FILE).load():
        first, second = map(int, task.prompt[0].content.split("+"))
        chosen, rejected = map(int, task.responses)
        assert chosen == first + second != rejected


def test_the_record_describes_the_same_builder(tmp_path: Path) -> None:
    made = read_build(write_build(tmp_path, TINY.format("m")))
    assert isinstance(made, VerifiedSolutions)
    assert (made.path, made.samples) == (tmp_path / "problems.jsonl", 8)
    (tmp_path / "again.toml").write_text(dump(Build(builder=made)), encoding="utf-8")
    assert read_build(tmp_path / "again.toml") == made


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "builder: Field required"),
        ("[judge]\n", "unknown key 'judge'; known: builder"),
        ('[builder]\nname = "noisy-instructions"', "did you mean 'noisy-instruction'"),
        ('[builder]\npath = "p"', "no `name`: say which of the builders is meant"),
        ('[builder]\nname = "noisy-instruction"\npath = "p"', "engine: Field required"),
        (
            '[builder]\nname = "verified-solutions"\npath = "p"\nengine = "scripted"\n'
            "sampling = { temperature = 0 }",
            "set sampling.temperature",
        ),
    ],
)
def test_a_build_file_that_cannot_work_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "build.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_build(tmp_path / "build.toml")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"question": "a"}', "no field 'answer'"),
        ('{"answer": "a"}', "no field 'question'"),
        ('{"question": null, "answer": "4"}', "field 'question': prompt: Field required"),
        ('{"question": "a", "answer": 4}', "field 'answer': reference: Input should be a valid"),
        ('{"question": [], "answer": "4"}', "field 'question': prompt: "),
        ('{"question": "a", "answer": "4", "id": "line-1"}', "id 'line-1' was used on line 1"),
    ],
)
def test_a_bad_prompt_is_named_by_file_line_and_field(
    tmp_path: Path, line: str, complaint: str
) -> None:
    build_file, path = write_build(tmp_path, '"scripted"'), tmp_path / "problems.jsonl"
    path.write_text(f'{{"question": "1+1", "answer": "2"}}\n{line}', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_build(build_file).items())
    assert str(caught.value).startswith(f"{path}, line 2")
    assert complaint in str(caught.value)


def test_a_lone_surrogate_is_replaced_where_it_comes_in(tmp_path: Path) -> None:
    problem = {"question": "\ud800?", "answer": "2", "id": 7}
    (item,) = read_build(write_build(tmp_path, '"scripted"', 8, problem)).items()
    assert (item.prompt[0].content, item.id) == ("\ufffd?", "7")


def test_the_command_tells_every_count(tmp_path: Path) -> None:
    """Two scripted answers, in turn, to three problems: right and wrong, then nothing."""
    problems = [{"question": f"{n}+0", "answer": f"{n}"} for n in range(3)]
    engine = '{ name = "scripted", answers = ["0", "1"] }'
    build_file = write_build(tmp_path, engine, 2, *problems)
    command = ["data", "build", str(build_file), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(j1, command)
    assert told.exit_code == 0, told.output
    cells = [line.strip("│").split("│") for line in told.stdout.splitlines() if "│" in line]
    rows = {name.strip(): number.strip() for name, number in cells}
    expected = {"items": "3", "built": "1", "pairs": "1", "failed: engine_error": "2"}
    assert {name: rows[name] for name in expected} == expected
    assert rows["counted: right"] == rows["counted: wrong"] == "1"
    assert Counter(one["built"]["failure"] for one in lines(tmp_path / "out" / OUTCOMES_FILE)) == {
        "": 1, "engine_error": 2,
    }  # fmt: skip
