"""Every shape of preference data, read by the source, the commands and the benchmark alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from j1sdk import DataError, JudgeRewardModel, JudgmentTask, Message, PairwiseVerdict, Scripted
from j1sdk.cli import j1
from j1sdk.data.jsonl import JsonLines
from j1sdk.run import read_run

SHAPES = sorted((Path(__file__).parent / "data" / "shapes").glob("*.jsonl"))
QUESTIONS = ("What is 2 + 2?", "What is 3 + 3?")
BETTER, WORSE = ("4", "6"), ("5", "7")
FIRST = PairwiseVerdict().write((1.0, 0.0))
PAIR = {"prompt": "?", "chosen": "a", "rejected": "b"}
JUDGE = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'


def named(path: Path) -> str:
    return path.stem


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def said(task: JudgmentTask) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in task.prompt]


def tasks_of(folder: Path, *records: dict[str, Any], **options: Any) -> list[JudgmentTask]:
    path = folder / "data.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return JsonLines(path=path, **options).load()


def refusal(folder: Path, record: dict[str, Any], **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        tasks_of(folder, record, **options)
    assert str(caught.value).startswith(f"{folder / 'data.jsonl'}, line 1: ")
    return str(caught.value)


def invoke(*words: object) -> str:
    result = CliRunner().invoke(j1, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that finds the first response better, in both orders of every shape's pairs."""
    folder = tmp_path_factory.mktemp("judge")
    engine = Scripted(answers=(FIRST,) * 4 * len(SHAPES))
    JudgeRewardModel(format=PairwiseVerdict(), engine=engine).save(folder)
    return folder


@pytest.mark.parametrize("path", SHAPES, ids=named)
def test_a_shape_is_read_from_a_run_file(path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run.toml"
    run.write_text(f'{JUDGE}[data]\nname = "jsonl"\npath = "{path}"\n', encoding="utf-8")
    source = read_run(run).data
    assert source is not None
    tasks = source.load()
    assert [said(task) for task in tasks] == [[("user", question)] for question in QUESTIONS]
    golds = [task.responses[task.preferred] for task in tasks if task.preferred is not None]
    assert tuple(golds) == BETTER
    assert [set(task.responses) for task in tasks] == [
        {better, worse} for better, worse in zip(BETTER, WORSE, strict=True)
    ]


def test_every_shape_is_read_by_every_command(judge: Path, tmp_path: Path) -> None:
    """One file of all shapes: a record is read by its own columns."""
    data, out, n = tmp_path / "data.jsonl", tmp_path / "run", 2 * len(SHAPES)
    data.write_bytes(b"".join(path.read_bytes() for path in SHAPES))
    measured = json.loads(invoke("eval", judge, "--data", data, "--json"))
    assert (measured["n"], measured["accuracy"]) == (n, 0.5)
    found = json.loads(
        invoke("eval", judge, "--benchmark", "pairs", "--data", data, "--out", out, "--json")
    )
    assert (found["strict"]["metrics"]["n"], found["strict"]["metrics"]["accuracy"]) == (n, 0.5)
    invoke("data", "check", data, "--out", tmp_path / "check")
    quality = json.loads((tmp_path / "check" / "quality.json").read_text(encoding="utf-8"))
    assert (quality["balance"]["rows"], quality["balance"]["pairs"]) == (n, n)
    shown = invoke("data", "show", data, "--limit", n)
    assert all(shown.count(f"user: {question}") == len(SHAPES) for question in QUESTIONS)
    assert shown.count("(preferred") == n


TIES: list[dict[str, Any]] = [
    {
        "winner": "tie",
        "conversation_a": [user("?"), assistant("a")],
        "conversation_b": [user("?"), assistant("b")],
    },
    {"winner": "tie (bothbad)", "prompt": "?", "response_a": "a", "response_b": "b"},
    {
        "prompt": '["?"]',
        "response_a": '["a"]',
        "response_b": '["b"]',
        "winner_model_a": 0,
        "winner_model_b": 0,
        "winner_tie": 1,
    },
    {"context": [user("?")], "response1": "a", "response2": "b", "overall_preference": 0},
    {"question": "?", "response_A": "a", "response_B": "b", "label": "A=B"},
    {"prompt": "?", "responses": ["a", "b"], "preferred": "tie"},
    {"prompt": "?", "responses": ["a", "b"], "ratings": [3, 3]},
    {
        "context": [user("?")],
        "completions": [{"rank": 0, "completion": [assistant(text)]} for text in "ab"],
    },
]


@pytest.mark.parametrize("record", TIES, ids=lambda record: "+".join(sorted(record)))
def test_a_tie_is_a_tie(record: dict[str, Any], tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, record)
    assert (said(task), task.responses) == ([("user", "?")], ("a", "b"))
    assert (task.preferred, task.golds, task.tied) == (None, (0, 1), True)


def test_ties_are_left_out_where_they_are_no_use(tmp_path: Path, judge: Path) -> None:
    tied = {"prompt": "?", "responses": ["a", "b"], "preferred": "tie"}
    assert len(tasks_of(tmp_path, PAIR, tied)) == 2
    assert [task.tied for task in tasks_of(tmp_path, PAIR, tied, ties="drop")] == [False]
    path, out = tmp_path / "data.jsonl", tmp_path / "run"
    found = json.loads(
        invoke("eval", judge, "--benchmark", "pairs", "--data", path, "--out", out, "--json")
    )
    assert found["strict"]["metrics"]["n"] == 1
    assert "1 of 2 tasks are ties by their label, and left out." in found["strict"]["notes"]
    invoke("data", "check", path, "--out", tmp_path / "check")
    quality = json.loads((tmp_path / "check" / "quality.json").read_text(encoding="utf-8"))
    assert (quality["balance"]["pairs"], quality["balance"]["ties"]) == (1, 1)
    assert "response 1 (tied, rated 1)" in invoke("data", "show", path)


def test_several_responses_may_be_worse_or_better(tmp_path: Path) -> None:
    worse, better = tasks_of(
        tmp_path,
        {"prompt": "?", "chosen": "a", "rejected": ["b", "c"]},
        {"prompt": "?", "chosen": ["a", "b"], "rejected": ["c"]},
    )
    assert (worse.responses, worse.golds, worse.preferred) == (("a", "b", "c"), (0,), 0)
    assert (better.responses, better.golds, better.preferred) == (("a", "b", "c"), (0, 1), None)


def test_scores_beside_the_names_are_ratings_where_they_agree(tmp_path: Path) -> None:
    scored = {**PAIR, "score_chosen": 8, "score_rejected": 6}
    agreeing, equal = tasks_of(tmp_path, scored, {**scored, "score_rejected": 8})
    assert (agreeing.ratings, equal.ratings, equal.preferred) == ((8.0, 6.0), None, 0)


def test_a_system_prompt_beside_the_prompt_comes_first(tmp_path: Path) -> None:
    first, own, blank = tasks_of(
        tmp_path,
        {**PAIR, "system": "Be brief."},
        {**PAIR, "system": "Be brief.", "prompt": [{"role": "system", "content": "x"}, user("?")]},
        {**PAIR, "system": " "},
    )
    assert said(first) == [("system", "Be brief."), ("user", "?")]
    assert said(own) == [("system", "x"), ("user", "?")]
    assert said(blank) == [("user", "?")]


def test_an_instruction_has_its_input_and_history(tmp_path: Path) -> None:
    alpaca = {
        "instruction": "Add",
        "input": "2 2",
        "history": [["Hi", "Hello"]],
        "output": ["4", "5"],
    }
    (task,) = tasks_of(tmp_path, alpaca)
    assert said(task) == [("user", "Hi"), ("assistant", "Hello"), ("user", "Add\n2 2")]


def test_dialogues_part_where_an_assistant_first_differs(tmp_path: Path) -> None:
    begun = [user("Hi"), assistant("Hello"), user("?")]
    same, early = tasks_of(
        tmp_path,
        {"chosen": [*begun, assistant("a")], "rejected": [*begun, assistant("b")]},
        {
            "chosen": [*begun, assistant("a")],
            "rejected": [user("Hi"), assistant("Go"), user("!"), assistant("b")],
        },
    )
    assert said(same) == [("user", "Hi"), ("assistant", "Hello"), ("user", "?")]
    assert same.responses == ("a", "b")
    assert said(early) == [("user", "Hi")]
    assert early.responses[1] == "Assistant: Go\n\nUser: !\n\nAssistant: b"


def test_the_prompt_column_may_begin_before_the_dialogues(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "s"}, user("?")]
    dialogues = {"chosen": [user("?"), assistant("a")], "rejected": [user("?"), assistant("b")]}
    with_system, text = tasks_of(
        tmp_path, {"prompt": prompt, **dialogues}, {"prompt": "? ", **dialogues}
    )
    assert said(with_system) == [("system", "s"), ("user", "?")]
    assert said(text) == [("user", "?")], "what the responses were answers to"


def test_tools_are_shown_and_the_final_answer_is_not_alone(tmp_path: Path) -> None:
    call = {"function": {"name": "add", "arguments": '{"a": 2, "b": 2}'}}
    used = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "4", "tool_call_id": "x"},
        assistant("It is 4."),
    ]
    (task,) = tasks_of(tmp_path, {"prompt": "2+2?", "chosen": used, "rejected": [assistant("5")]})
    assert task.responses == (
        'Assistant: Tool call: add({"a": 2, "b": 2})\n\nTool: 4\n\nAssistant: It is 4.',
        "5",
    )
    assert tasks_of(tmp_path, {"prompt": "?", "chosen": [assistant("a")], "rejected": "b"})


def test_kaggles_dialogues_have_all_their_turns(tmp_path: Path) -> None:
    record = {
        "prompt": '["Hi", "?"]',
        "response_a": '["Hello", "a"]',
        "response_b": '["Hello", null]',
        "winner_model_a": "1",
        "winner_model_b": "0",
        "winner_tie": "0",
    }
    (task,) = tasks_of(tmp_path, record)
    assert said(task) == [("user", "Hi"), ("assistant", "Hello"), ("user", "?")]
    assert (task.responses, task.preferred) == (("a", ""), 0)


def test_fields_name_columns_of_any_name(tmp_path: Path) -> None:
    mine = {"q": {"text": "?"}, "x": "a", "y": "b", "best": 1, "kind": "sums"}
    fields = {"prompt": "q.text", "responses": ("x", "y"), "preferred": "best", "subset": "kind"}
    (task,) = tasks_of(tmp_path, mine, fields=fields)
    assert (said(task), task.responses) == ([("user", "?")], ("a", "b"))
    assert (task.preferred, task.subset) == (1, "sums")
    asked = {"asked": "?", "good": "a", "bad": "b", "responses": ["x"]}
    names = "prompt=asked,chosen=good,rejected=bad"
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({**asked, "responses": None}), encoding="utf-8")
    (task,) = JsonLines.model_validate({"path": path, "fields": names}).load()
    assert task.responses == ("a", "b")
    shown = invoke("data", "show", path, *(f"--field={one}" for one in names.split(",")))
    assert "user: ?" in shown


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"promt": "q"}, "nothing reads a column 'promt'; did you mean 'prompt'?"),
        ({"chosen": ("a", "b")}, "chosen: expected the name of a column"),
    ],
)
def test_fields_that_nothing_reads_are_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("?", r"\?")):
        JsonLines(path=Path("x.jsonl"), fields=fields)


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"q": "?", "a": "x"}, 'no responses are found: give "chosen" and "rejected"'),
        ({"q": "?", "a": "x"}, "(columns: q, a)"),
        ({"q": "?", "a": "x"}, 'fields = { prompt = "...", chosen = "...", rejected = "..." }'),
        ({"prompt": "?", "chosen": "a", "rejcted": "b"}, "did you mean it by 'rejcted'?"),
        ({"prompt": "?", "chosen": "a", "rejected": None}, "`rejected` is empty beside `chosen`"),
        ({"promt": "?", "chosen": "a", "rejected": "b"}, "did you mean it by 'promt'?"),
        ({"prompt": "?", "responses": ["a", "b"], "label": 1}, "`label` beside `responses`"),
        ({"prompt": "?", "responses": ["a", "b"], "prefered": 1}, "`prefered` beside `responses`"),
        ({"prompt": "?", "responses": ["a", "b"], "winner": "b"}, 'preferred = "winner"'),
        ({"prompt": "?", "responses": ["a", "b"], "preferred": True}, "whole number, got True"),
        ({"prompt": "?", "responses": ["a", "b"], "preferred": 2}, "but there are 2 responses"),
        ({"prompt": "?", "responses": ["a", "b"], "preferred": -1}, "preferred is -1"),
        ({"prompt": "?", "responses": ["a", "b"], "preferred": "b"}, "preferred: expected"),
        ({"input": "?", "output_1": "a", "output_2": "b", "label": 0}, "label: expected 1 or 2"),
        ({"input": "?", "output_1": "a", "output_2": "b", "label": True}, "got True"),
        ({"prompt": "?", "response_1": "a", "response_2": "b", "winner": "c"}, "winner: expected"),
        ({"instruction": "?", "output": "a"}, "output: expected a list of two"),
        ({**PAIR, "chosen": 4}, "chosen: expected text or messages, got int"),
        ({**PAIR, "prompt": [user("?"), {"role": "bot", "content": ""}]}, "prompt.1.role: "),
        ({"chosen": [user("a")], "rejected": [user("b")]}, "the dialogues share no prompt"),
        ({**PAIR, "chosen": [user("?"), assistant("a")]}, "some responses are dialogues"),
        ({**PAIR, "id": [1]}, "id: expected a text or a whole number"),
    ],
)
def test_what_cannot_be_read_says_what_was_found_and_what_to_type(
    record: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    assert complaint in refusal(tmp_path, record)


def test_a_column_that_fields_names_must_be_there(tmp_path: Path) -> None:
    complaint = refusal(tmp_path, PAIR, fields={"prompt": "promt"})
    assert "there is no column 'promt'; did you mean 'prompt'?" in complaint


def test_a_message_of_any_form_is_a_message(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "a", "image": None}, {"type": "text", "text": "b"}]
    (task,) = tasks_of(tmp_path, {**PAIR, "prompt": [{"role": "user", "content": parts, "x": 1}]})
    assert task.prompt == (Message(role="user", content="ab"),)
    image = {"type": "image_url", "image_url": {"url": "x"}}
    complaint = refusal(tmp_path, {**PAIR, "prompt": [{"role": "user", "content": [image]}]})
    assert "prompt.0.content.0: image of type 'image_url': a judge reads text only" in complaint
