"""The `j1` command: what it prints, writes and refuses, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from shell import as_before, install, invoke, refusal, spawn

from j1sdk import (
    JudgeRewardModel,
    PairwiseVerdict,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.catalogue import catalogue
from j1sdk.cli import j1

FIRST = PairwiseVerdict().write((1.0, 0.0))
METRICS = (
    "accuracy", "position_consistent_accuracy", "verdict_flip_rate", "tie_rate", "invalid_rate",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from as_before(monkeypatch)


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    """A judge that finds the first response better, in both orders: four judgments' worth."""
    saved = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=(FIRST,) * 4))
    saved.save(tmp_path / "judge")
    return tmp_path / "judge"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    lines = [{"prompt": f"{n}?", "chosen": f"yes {n}", "rejected": "no"} for n in range(2)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


class TestHelp:
    @pytest.mark.parametrize("name", catalogue().names("commands"))
    def test_every_option_of_a_command_is_explained(self, name: str) -> None:
        command, result = catalogue().command(name), invoke(name, "--help")
        assert result.exit_code == 0
        assert str(command.help).split(".")[0].split("\n")[0][:40] in result.output
        options = [one for one in command.params if isinstance(one, click.Option)]
        for option in options:
            assert option.opts[0] in result.output
            assert option.help and option.help.split()[0] in result.output, option.name

    def test_help_lists_every_command(self) -> None:
        text = invoke("--help").output
        assert all(f"\n  {name} " in text for name in catalogue().names("commands"))

    def test_the_version_is_told(self) -> None:
        assert version("j1sdk") in invoke("--version").output

    @pytest.mark.parametrize(
        "words", [("trian",), ("train",), ("judge", "x"), ("eval", "x", "--limit", "0")]
    )
    def test_misuse_is_explained(self, words: tuple[str, ...]) -> None:
        result = invoke(*words)
        assert result.exit_code == 2
        assert "Usage: j1" in result.output and "Error: " in result.output


class TestPlugins:
    def test_a_command_of_one_that_is_missing_names_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("J1SDK_DISABLE_PLUGINS", "view")
        result = spawn("view", "runs")
        assert result.returncode == 2
        assert "No such command 'view'; j1sdk-view has it: pip install" in result.stderr

    def test_our_own_are_listed(self) -> None:
        output = spawn("plugins").stdout
        assert "builtins" in output and "loaded" in output
        assert "gsm8k-solutions" in output and "verdict-consistency" in output

    @pytest.mark.parametrize(
        ("source", "error"),
        [
            ("import no_such_package", "No module named 'no_such_package'"),
            ("raise RuntimeError('not [/bold] but [red]brave')", "not [/bold] but [red]brave"),
        ],
    )
    def test_a_broken_one_is_listed_with_its_error(
        self, tmp_path: Path, source: str, error: str
    ) -> None:
        path = install(tmp_path, source)
        result = spawn("plugins", path=path)
        assert result.returncode == 0 and not result.stderr
        row = next(line for line in result.stdout.splitlines() if "j1-extra 1.2" in line)
        assert "failed" in row and error in row
        records = json.loads(spawn("plugins", "--json", path=path).stdout)
        by_name = {record["name"]: record for record in records}
        assert error in by_name["extra"]["error"]
        assert (by_name["extra"]["status"], by_name["extra"]["offers"]) == ("failed", {})
        assert by_name["builtins"]["status"] == "loaded"
        offered = set(by_name["builtins"]["offers"]["trainers"])
        assert {"sft", "dpo", "grpo", "chain"} <= offered

    def test_two_offers_of_one_name_are_pointed_out(self, tmp_path: Path) -> None:
        source = (
            "from j1sdk import PairwiseVerdict, hookimpl\n"
            "@hookimpl\ndef formats(): return [PairwiseVerdict]\n"
        )
        output = spawn("plugins", path=install(tmp_path, source)).stdout
        ours = f"j1sdk {version('j1sdk')}"
        told = f"conflict: format 'pairwise-verdict' is offered by {ours} and j1-extra 1.2"
        assert told in output

    def test_a_plugins_command_is_run(self, tmp_path: Path) -> None:
        source = (
            "import click\nfrom j1sdk import hookimpl\n"
            "@click.command()\ndef toss():\n    click.echo('heads')\n"
            "@hookimpl\ndef commands(): return [toss]\n"
        )
        assert spawn("toss", path=install(tmp_path, source)).stdout == "heads\n"


class TestEval:
    def test_metrics_are_json(self, tiny_model: Path, tmp_path: Path) -> None:
        engine = Transformers(model=str(tiny_model), device="cpu")
        sampling = Sampling(max_new_tokens=2)
        JudgeRewardModel(format=PairwiseVerdict(), engine=engine, sampling=sampling).save(tmp_path)
        result = spawn(
            "eval", tmp_path, "--source", "arithmetic", "--seed", 123, "--limit", 4, "--json"
        )
        assert result.returncode == 0, result.stderr
        metrics = json.loads(result.stdout)
        assert metrics["n"] == 4 and sum(metrics["statuses"].values()) == 8
        assert {key: metrics[key] for key in METRICS} == {
            "accuracy": 0.0, "position_consistent_accuracy": 0.0, "verdict_flip_rate": 0.0,
            "tie_rate": 0.0, "invalid_rate": 1.0,
        }  # fmt: skip

    def test_a_judge_of_the_first_flips(self, judge: Path, data: Path) -> None:
        metrics = json.loads(invoke("eval", judge, "--data", data, "--json").output)
        assert [metrics[key] for key in METRICS] == [0.5, 0.0, 1.0, 0.0, 0.0]
        assert metrics["accuracy_by_order"] == {"0,1": 1.0, "1,0": 0.0}

    def test_without_json_it_is_a_table(self, judge: Path, data: Path) -> None:
        output = spawn("eval", judge, "--data", data, "--limit", 1).stdout
        assert "(n = 1)" in output and str(judge) in output
        row = next(line for line in output.splitlines() if "Verdict flip rate" in line)
        assert "1.000 [" in row

    def test_the_runs_own_data_are_the_default(self, judge: Path, data: Path) -> None:
        run_file = judge / "j1.toml"
        text = run_file.read_text(encoding="utf-8")
        section = f'[data]\nname = "jsonl"\npath = "{data}"\n'
        run_file.write_text(f"{text}\n{section}", encoding="utf-8")
        assert json.loads(invoke("eval", judge, "--limit", 1, "--json").output)["n"] == 1
        assert json.loads(invoke("eval", run_file, "--json").output)["n"] == 2
        assert "no option --seed" in refusal("eval", judge, "--seed", 1)

    def test_the_seed_decides_the_tasks(self, judge: Path) -> None:
        runs = [
            invoke("eval", judge, "--source", "arithmetic", "--seed", 1, "--limit", n, "--json")
            for n in (1, 1, 2)
        ]
        assert runs[0].output == runs[1].output
        assert [json.loads(run.output)["n"] for run in runs] == [1, 1, 2]


REFUSED = {
    "nothing to judge": ((), "no tasks to judge: give --source NAME or --data FILE.jsonl"),
    "two": (("--source", "arithmetic", "--data", "x"), "--source and --data both name tasks"),
    "unknown source": (("--source", "aritmetic"), "no source is called 'aritmetic'; did you mean"),
    "no such option": (
        ("--source", "gsm8k-solutions", "--seed", "3"),
        "source 'gsm8k-solutions' has no option --seed",
    ),
    "option missing": (("--source", "gsm8k-solutions"), "'gsm8k-solutions': path: Field required"),
    "no file": (("--data", "absent.jsonl"), "cannot read absent.jsonl: No such file"),
}


@pytest.mark.parametrize(("words", "complaint"), REFUSED.values(), ids=REFUSED)
def test_tasks_that_cannot_be_had_are_refused(
    judge: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in refusal("eval", judge, *words)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "line 3: not JSON at column 2"),
        ('{"prompt": "p", "chosen": "a"}', "line 3: `rejected` is missing"),
        ('{"prompt": "p", "chosen": "a", "rejected": 5}', "line 3: rejected: expected text"),
        ("[]", "line 3: expected an object"),
    ],
)
def test_a_malformed_line_is_named(judge: Path, data: Path, line: str, complaint: str) -> None:
    data.write_text(data.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    out = data.with_name("out")
    for words in (("eval", judge, "--data", data), ("judge", judge, "--data", data, "--out", out)):
        message = refusal(*words)
        assert f"pairs.jsonl, {complaint}" in message
    assert not out.exists()


def broken_runs(folder: Path) -> list[tuple[tuple[object, ...], str]]:
    """Commands that cannot work, and what they should say."""
    head, arithmetic = '[judge]\nformat = "pairwise-verdict"\n', ("--source", "arithmetic")
    engine = 'engine = { name = "transformers", model = "./absent" }\n'
    unknown, absent, out = folder / "unknown.toml", folder / "absent.toml", folder / "o"
    unknown.write_text(head + 'engin = "scripted"\n', encoding="utf-8")
    absent.write_text(head + engine, encoding="utf-8")
    return [
        (("eval", unknown, *arithmetic), "did you mean 'engine'?"),
        (("eval", absent, *arithmetic), "no model directory at"),
        (("judge", folder / "nowhere", "--out", out), "cannot read"),
        (("train", absent, "--out", out), "add a [train] section"),
    ]


def test_errors_are_a_line_without_a_traceback(tmp_path: Path) -> None:
    for words, complaint in broken_runs(tmp_path):
        result = spawn(*words)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ") and complaint in result.stderr
        assert "Traceback" not in result.stderr and not result.stdout
    assert not (tmp_path / "o").exists()


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    engine = '{ name = "transformers", model = "." }'
    text = f'[judge]\nformat = "pairwise-verdict"\nengine = {engine}\n'
    (tmp_path / "j1.toml").write_text(text, encoding="utf-8")
    message = refusal("eval", tmp_path, "--source", "arithmetic", "--limit", 1)
    assert message.startswith(f"cannot open {tmp_path} as a model: ")


@pytest.mark.parametrize("command", ["judge", "train", "quickstart"])
def test_a_file_is_no_folder_to_write_to(data: Path, command: str) -> None:
    words = () if command == "quickstart" else (data,)
    result = invoke(command, *words, "--out", data)
    assert result.exit_code == 2 and "is a file" in result.output


def test_a_model_without_a_chat_template_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    JudgeRewardModel(format=PairwiseVerdict(), engine=Transformers(model=str(tiny_model))).save(
        tmp_path
    )
    (tmp_path / "chat_template.jinja").unlink()
    message = refusal("eval", tmp_path, "--source", "arithmetic", "--limit", 1)
    assert "chat template" in message and str(tmp_path) in message


class TestJudge:
    def test_it_writes_lines_and_metrics(self, judge: Path, data: Path, tmp_path: Path) -> None:
        out = tmp_path / "a [red] folder"
        result = spawn("judge", judge, "--data", data, "--out", out)
        assert result.returncode == 0, result.stderr
        assert "Judgments: ok 4" in result.stdout
        assert f"Written to {out / 'judgments.jsonl'}" in result.stderr
        lines = (out / "judgments.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["id"] for line in lines] == [
            "line-1", "line-1", "line-2", "line-2",
        ]  # fmt: skip
        assert json.loads((out / "metrics.json").read_text())["verdict_flip_rate"] == 1.0

    def test_it_goes_on_with_the_rest(self, judge: Path, data: Path, tmp_path: Path) -> None:
        words = ("judge", judge, "--data", data, "--out", tmp_path / "out")
        assert invoke(*words, "--limit", 1).exit_code == 0
        assert invoke(*words).exit_code == 0
        assert (tmp_path / "out" / "judgments.jsonl").read_text().count("\n") == 4


@pytest.mark.parametrize("command", ["judge", "eval", "eval pairs"])
def test_columns_of_data_can_be_named_on_the_command_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text('{"ask": "2+2?", "good": "4", "bad": "5"}\n')
    (tmp_path / "run.toml").write_text(
        '[judge]\nformat = "pairwise-verdict"\n'
        'engine = { name = "scripted", answers = ["<think>a</think> <answer>[[A]]</answer>",'
        ' "<think>a</think> <answer>[[A]]</answer>"] }\n'
    )
    words = [command.split()[0], str(tmp_path / "run.toml"), "--data", str(tmp_path / "odd.jsonl")]
    words += ["--benchmark", "pairs"] if "pairs" in command else []
    words += ["--out", str(tmp_path / "out")]
    for name, column in (("prompt", "ask"), ("chosen", "good"), ("rejected", "bad")):
        words += ["--field", f"{name}={column}"]
    result = CliRunner().invoke(j1, words)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "judgments.jsonl").read_text().count('"status": "ok"') == 2
    wrong = CliRunner().invoke(j1, [*words, "--field", "promt=ask"])
    assert "did you mean 'prompt'?" in wrong.output


def test_a_recording_of_nothing_but_failures_is_an_error(tmp_path: Path) -> None:
    line = '{"id": "%d", "order": [0, 1], "preferred": 0, "scores": null, "status": "%s"}\n'
    recorded = tmp_path / "recorded.jsonl"
    words = ["eval", "--benchmark", "pairs", "--judgments", str(recorded)]
    recorded.write_text(line % (1, "engine_error") + line % (2, "engine_error"))
    result = CliRunner().invoke(j1, words)
    assert "the engine failed on all 2 judgments" in str(result.exception)
    recorded.write_text(line % (1, "engine_error") + line % (2, "unparseable"))
    assert CliRunner().invoke(j1, words).exit_code == 0


def test_a_dead_server_is_an_error_of_eval_and_compare(tmp_path: Path) -> None:
    """No number stands for what was not judged, on the screen or in the exit code."""
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "2+2?", "chosen": "4", "rejected": "5"}\n')
    (tmp_path / "run.toml").write_text(
        '[judge]\nformat = "pairwise-verdict"\n[judge.engine]\nname = "openai"\nmodel = "m"\n'
        'base_url = "http://localhost:1/v1"\nretries = 0\n'
    )
    words = ["eval", str(tmp_path / "run.toml"), "--data", str(tmp_path / "pairs.jsonl")]
    for more in ([], ["--json"]):
        result = CliRunner().invoke(j1, [*words, *more])
        assert "nothing could be judged" in str(result.exception) and not result.stdout
    for name in ("a", "b"):
        out = ["--benchmark", "pairs", "--out", str(tmp_path / name)]
        assert "nothing could be judged" in str(CliRunner().invoke(j1, [*words, *out]).exception)
    folders = [str(tmp_path / name) for name in ("a", "b")]
    result = CliRunner().invoke(j1, ["compare", *folders, "--out", str(tmp_path / "c")])
    assert "nothing in it was judged" in str(result.exception) and not result.stdout
