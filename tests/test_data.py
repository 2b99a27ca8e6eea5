from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from j1sdk_data.gsm8k import MODELS, Gsm8kSolutions, final_number

from j1sdk.data.jsonl import JsonLines
from j1sdk.errors import DataError
from j1sdk.types import Message

SHARED = Path(__file__).parents[2] / "shared" / "data"
SOLUTIONS = SHARED / "grade-school-math/grade_school_math/data/example_model_solutions.jsonl"
needs_shared_data = pytest.mark.skipif(
    not SOLUTIONS.is_file(), reason="shared data not found at ../shared/data"
)
PAIR = {"prompt": "2+2?", "chosen": "4", "rejected": "5"}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes lines, given as values or as bytes, to a file."""

    def lines(*records: Any, name: str = "pairs.jsonl") -> Path:
        raw = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
        content = b"\n".join(raw)
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return lines


def test_a_pair_is_read_with_the_chosen_response_first(write: Write) -> None:
    (task,) = JsonLines(path=write({**PAIR, "subset": "sums", "id": "x"})).load()
    assert (task.responses, task.preferred) == (("4", "5"), 0)
    assert (task.subset, task.id, task.reference) == ("sums", "x", None)


def test_responses_are_read_as_they_are(write: Write) -> None:
    ranked = {"prompt": "p", "responses": ["a", "b", "c"], "preferred": 2, "reference": "r"}
    ranked["ratings"] = [1, 2.5, 3]
    unlabelled = {"prompt": "p", "responses": ["a"]}
    first, second = JsonLines(path=write(ranked, unlabelled)).load()
    assert (first.responses, first.preferred, first.reference) == (("a", "b", "c"), 2, "r")
    assert first.ratings == (1.0, 2.5, 3.0)
    assert (second.responses, second.preferred) == (("a",), None)


def test_a_prompt_may_be_a_conversation(write: Write) -> None:
    said = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    (task,) = JsonLines(path=write({**PAIR, "prompt": said})).load()
    assert task.prompt == (
        Message(role="system", content="s"),
        Message(role="user", content="u"),
    )


def test_lines_name_tasks_blank_ones_count_and_unknown_fields_are_left_alone(
    write: Write,
) -> None:
    path = write(PAIR, b"", b"  ", {**PAIR, "annotator": 7})
    assert [task.id for task in JsonLines(path=path).tasks()] == ["line-1", "line-4"]


def test_a_gzip_file_is_read_as_the_plain_one(write: Write) -> None:
    packed = JsonLines(path=write(PAIR, PAIR, name="pairs.jsonl.gz")).load()
    assert packed == JsonLines(path=write(PAIR, PAIR)).load()


def test_a_limit_takes_the_first_and_reads_no_further(write: Write) -> None:
    path = write(PAIR, PAIR, b"broken")
    assert [task.id for task in JsonLines(path=path, limit=2).load()] == ["line-1", "line-2"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "not JSON at column 2"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        (b"[1]", "expected an object, got list"),
        (b"9" * 5000, "integer string conversion"),
        (b"[" * 200_000, "recursion"),
        ({"chosen": "4", "rejected": "5"}, "no prompt is found (columns: chosen, rejected)"),
        ({**PAIR, "chosen": 4}, "chosen: expected text or messages, got int"),
        ({**PAIR, "rejected": None}, "`rejected` is empty beside `chosen`"),
        ({**PAIR, "responses": ["a"]}, 'give "chosen" and "rejected", or "responses"'),
        ({"prompt": "p"}, 'give "chosen" and "rejected", or "responses"'),
        ({"prompt": "p", "responses": []}, "responses: "),
        ({"prompt": "p", "responses": ["a", 1]}, "responses.1: "),
        ({"prompt": "p", "responses": ["a"], "preferred": 1}, "preferred is 1, but there are 1"),
        ({**PAIR, "prompt": []}, "prompt: "),
        ({**PAIR, "prompt": [{"role": "bot", "content": ""}]}, "prompt.0.role: "),
        ({**PAIR, "id": "line-1"}, "id 'line-1' was used on line 1 already"),
    ],
)
def test_a_bad_record_is_named_by_file_line_and_field(
    write: Write, line: Any, complaint: str
) -> None:
    path = write(PAIR, b"", line)
    with pytest.raises(DataError) as caught:
        JsonLines(path=path).load()
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert complaint in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    with pytest.raises(DataError, match=f"cannot read {missing}: No such file"):
        JsonLines(path=missing).load()
    with pytest.raises(DataError, match=f"cannot read {tmp_path}: Is a directory"):
        JsonLines(path=tmp_path).load()


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-12], lambda packed: packed[:20] + b"?" + packed[21:], lambda _: b"?"],
    ids=["cut off", "changed", "not gzip"],
)
def test_a_damaged_gzip_file_is_named(write: Write, damage: Callable[[bytes], bytes]) -> None:
    path = write(*[PAIR] * 50, name="pairs.jsonl.gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=str(path)):
        JsonLines(path=path).load()


def question(*numbers: str, truth: Any = "so 4\nA: 4") -> dict[str, Any]:
    """A record as OpenAI publishes it, with made-up solutions."""
    solved = {
        model: {"solution": f"so\nA: {number}", "is_correct": None}
        for model, number in zip(MODELS, numbers, strict=True)
    }
    return {"question": "2+2?", "ground_truth": truth, **solved}


def test_every_right_solution_meets_every_wrong_one(write: Write) -> None:
    path = write(question("4", "5", "4.0", "x"), question("4", "4", "4", "4"))
    tasks = Gsm8kSolutions(path=path).load()
    assert [task.subset for task in tasks] == [
        f"{better}>{worse}" for better in MODELS[0::2] for worse in MODELS[1::2]
    ]
    assert {task.preferred for task in tasks} == {0}
    assert tasks[0].responses == ("so\nA: 4", "so\nA: 5")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so\n#### 1,234.50", "1234.5"),
        ("so\nA: -7\n", "-7"),
        ("A: 1.8 billion", None),
        ("A: 7\nor so", None),
        ("7", None),
        ("", None),
    ],
)
def test_the_number_on_the_last_line_is_the_answer(text: str, number: str | None) -> None:
    assert final_number(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ground_truth": 4}, "ground_truth: expected a string, got int"),
        ({"ground_truth": "four"}, "ground_truth: no number on its last line"),
        ({"question": None}, "question: expected a string, got NoneType"),
        ({"175b_finetuning": "A: 4"}, "175b_finetuning.solution: expected a string"),
    ],
)
def test_a_bad_question_is_named_by_file_line_and_field(
    write: Write, change: dict[str, Any], complaint: str
) -> None:
    path = write(question("4", "5", "5", "5"), {**question("4", "5", "5", "5"), **change})
    with pytest.raises(DataError) as caught:
        Gsm8kSolutions(path=path).load()
    assert str(caught.value).startswith(f"{path}, line 2: {complaint}")


@needs_shared_data
def test_the_published_solutions_make_2429_pairs_of_731_questions() -> None:
    tasks = Gsm8kSolutions(path=SOLUTIONS).load()
    assert len(tasks) == len({task.id for task in tasks}) == 2429
    assert len({task.prompt for task in tasks}) == 731
    longer = [len(task.responses[0]) - len(task.responses[1]) for task in tasks]
    assert sum(gap > 0 for gap in longer) == 1309
    assert sum(gap < 0 for gap in longer) == 1114


@needs_shared_data
def test_the_published_models_beat_each_other_as_often_as_counted() -> None:
    subsets = [task.subset for task in Gsm8kSolutions(path=SOLUTIONS).tasks()]
    assert subsets.count("175b_verification>6b_finetuning") == 499
    assert subsets.count("6b_finetuning>175b_verification") == 43
