"""A judge's folder from a stranger: it is read, and does nothing else unless it is trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask
from click.testing import CliRunner

from j1sdk import (
    Cached,
    ConfigError,
    JudgeRewardModel,
    OpenAI,
    Pointwise,
    Sampling,
    Scripted,
    Transformers,
)
from j1sdk.background import run
from j1sdk.cli import j1
from j1sdk.engines.vllm import VLLM
from j1sdk.run import open_run
from j1sdk.runfile import RUN_FILE

if TYPE_CHECKING:
    from tests.conftest import ChatServer, Script

Serve = Callable[["Script"], "ChatServer"]
FOREIGN = """
[judge]
format = "pointwise"

[judge.engine]
name = "openai"
model = "judge"
base_url = "https://collect.invalid/v1"
"""
KEYED = f'{FOREIGN}api_key_env = "AWS_SECRET_ACCESS_KEY"\n'


def folder_with(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / RUN_FILE).write_text(text, encoding="utf-8")
    return folder


def engine_table(table: str) -> str:
    return f'[judge]\nformat = "pointwise"\nengine = {table}\n'


NESTED = """
[judge]
format = "pointwise"
engine = "scripted"
sampling = { temperature = 1.0, seed = 0 }

[judge.scaling]
name = "meta-judge"
format = "pointwise"
engine = { name = "openai", model = "m", base_url = "http://collect.invalid/v1" }
"""
ASKS_FOR_TRUST = {
    "a foreign server": (FOREIGN, "sends what is judged to collect.invalid. If you trust"),
    "a key": (KEYED, "to collect.invalid with the key in AWS_SECRET_ACCESS_KEY"),
    "a name that begins like this machine's": (
        engine_table('{ name = "openai", model = "m", base_url = "http://localhost.invalid/v1" }'),
        "sends what is judged to localhost.invalid",
    ),
    "a cache elsewhere": (
        engine_table('{ name = "cached", path = "../elsewhere.sqlite", engine = "scripted" }'),
        "cached writes to .*elsewhere.sqlite",
    ),
    "a download": (
        engine_table('{ name = "transformers", model = "some/judge" }'),
        "transformers downloads some/judge",
    ),
    "an adapter's download": (
        engine_table('{ name = "vllm", model = ".", adapter = "some/adapter" }'),
        "vllm downloads some/adapter",
    ),
    "code": (
        engine_table(
            '{ name = "vllm", model = ".", options = { seed = 1, trust_remote_code = true } }'
        ),
        "vllm is given trust_remote_code, which may run code",
    ),
    "an engine deep inside": (NESTED, "sends what is judged to collect.invalid"),
}


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalr")


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize("what", ASKS_FOR_TRUST)
def test_what_a_judge_has_no_need_of_wants_trust(tmp_path: Path, what: str) -> None:
    text, reason = ASKS_FOR_TRUST[what]
    folder = folder_with(tmp_path, text)
    for opened in (lambda: JudgeRewardModel.load(folder), lambda: open_run(folder)):
        with pytest.raises(ConfigError, match=reason) as caught:
            opened()
        assert str(folder / RUN_FILE) in str(caught.value) and "trust=True" in str(caught.value)
    assert not (tmp_path / "elsewhere.sqlite").exists(), "it was not even touched"
    trusted = JudgeRewardModel.load(folder, trust=True)
    assert trusted == open_run(folder / RUN_FILE).judge, "who names the file trusts it"


HARMLESS = {
    "a server on this machine": '{ name = "openai", model = "m", base_url = "http://[::1]:1/v1" }',
    "a cache in the folder": '{ name = "cached", path = "c.sqlite", engine = "scripted" }',
    "its own weights": '{ name = "transformers", model = "." }',
    "how it is computed": '{ name = "vllm", model = ".", options = { quantization = "fp8" } }',
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_stays_in_the_folder_is_opened(tmp_path: Path, what: str) -> None:
    folder = folder_with(tmp_path, engine_table(HARMLESS[what]))
    assert JudgeRewardModel.load(folder) == open_run(folder).judge


def test_a_server_on_this_machine_is_asked(
    tmp_path: Path, chat_server: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(number: int, body: dict[str, Any], request: Any) -> Any:
        message = {"role": "assistant", "content": "<think>x</think><score>5</score>"}
        return {"choices": [{"message": message, "finish_reason": "stop"}]}

    monkeypatch.setenv("JUDGE_KEY", "sk-1")
    server = chat_server(script)
    engine = OpenAI(model="judge", base_url=server.url, api_key_env="JUDGE_KEY")
    JudgeRewardModel(format=Pointwise(), engine=engine).save(tmp_path)
    assert JudgeRewardModel.load(tmp_path).score(["q"], ["a"]) == [0.5]
    assert server.headers[0]["Authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(
    "engine",
    [Scripted(answers=("x",)), Cached(engine=Scripted(), path=Path("cache.sqlite"))],
    ids=["scripted", "cached"],
)
def test_what_the_caller_gives_needs_no_trust(
    tmp_path: Path, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = folder_with(tmp_path, FOREIGN)
    assert JudgeRewardModel.load(folder, engine=engine).engine == engine


def test_training_that_is_only_recorded_needs_no_trust(tmp_path: Path) -> None:
    sampler = '{ name = "openai", model = "m", base_url = "https://collect.invalid/v1" }'
    text = engine_table('"scripted"') + f'[train]\nname = "on-policy-dpo"\nsampler = {sampler}\n'
    folder = folder_with(tmp_path, text)
    assert open_run(folder).train is not None
    assert JudgeRewardModel.load(folder).engine == Scripted()


@pytest.mark.usefixtures("secret")
def test_the_command_line_asks_for_the_run_file(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, KEYED)
    (tmp_path / "pairs.jsonl").write_text('{"prompt": "q", "chosen": "a", "rejected": "b"}\n')
    words = ["judge", str(folder), "--data", str(tmp_path / "pairs.jsonl")]
    done = CliRunner().invoke(j1, [*words, "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, ConfigError)
    assert "by naming the run file in it" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_model_that_brings_code_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    written = tmp_path / "written"
    (model / "own.py").write_text(f"open({str(written)!r}, 'w').write('x')\nclass C: pass\n")
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C",
                                                 "AutoModelForCausalLM": "own.C"}}  # fmt: skip
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=f"cannot open {model}"):
        run(Transformers(model=str(model)).complete(ask("hi"), Sampling()))
    assert not written.exists()


def test_only_options_that_are_known_to_be_harmless_go_unasked(tmp_path: Path) -> None:
    known = VLLM(model=str(tmp_path), options={"quantization": "fp8", "max_num_seqs": 8})
    assert known.needs_trust(tmp_path) == []
    doubtful = known.replace(options={"worker_cls": "x", "hf_overrides": {}, "seed": 1})
    assert doubtful.needs_trust(tmp_path) == [
        "is given hf_overrides, worker_cls, which may run code"
    ]
