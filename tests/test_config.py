"""The run file: what it may say, how it refuses the rest, and what a saved judge records."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import j1sdk_budget_forcing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from j1sdk_family.rejection import OnPolicyDpo
from j1sdk_openrlhf.trainer import OpenRLHF
from j1sdk_quickstart.tasks import Arithmetic

from j1sdk import (
    ConfigError,
    Engine,
    JudgeRewardModel,
    JudgmentFormat,
    JudgmentTask,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scripted,
    Source,
    Transformers,
    builtins,
)
from j1sdk import run as run_module
from j1sdk.catalogue import Catalogue
from j1sdk.data.jsonl import JsonLines
from j1sdk.rewards.verdict_consistency import VerdictConsistency
from j1sdk.rewards.verdict_correctness import VerdictCorrectness
from j1sdk.run import Run, build_run, dump_run, open_run, read_run, save_judge
from j1sdk.runfile import RUN_FILE
from j1sdk.training import Trainer
from j1sdk.training.chain import Chain
from j1sdk.training.trl import Grpo, Lora, Sft

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))
JUDGE = '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def described(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def with_format(text: str) -> str:
    return JUDGE.replace('"pairwise-verdict"', text)


def test_the_run_file_of_the_documentation_is_read(run_file: Path) -> None:
    text = dedent((run_module.__doc__ or "").split("\n\n", 2)[2].split("A judge's folder")[0])
    run = read_run(described(run_file, text))
    assert run.judge.engine == Transformers(model="Qwen/Qwen3-0.6B")
    assert run.judge.sampling == Sampling(max_new_tokens=1024)
    assert run.data == JsonLines(path=run_file.with_name("pairs.jsonl"))
    assert run.train == Grpo(rewards=(VerdictConsistency(),))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_read_and_can_be_trained(path: Path) -> None:
    run = read_run(path)
    assert isinstance(run.train, Grpo | OpenRLHF)
    run.train.check(run)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize(
    "text", ['"pairwise-verdict"', '{ name = "pairwise-verdict" }', '{ name = "pairwise-verdict",'
             ' thinking = "think" }'],
)  # fmt: skip
def test_a_component_is_its_name_or_a_table(run_file: Path, text: str) -> None:
    assert read_run(described(run_file, with_format(text))).judge.format == PairwiseVerdict()


@pytest.mark.parametrize(
    "inner", ['"pairwise-scores"', '{ name = "pairwise-scores", high = 5.0 }', '"pairwise-verdict"']
)
def test_a_plugins_format_wraps_another_by_name(run_file: Path, inner: str) -> None:
    catalogue = Catalogue.of(builtins, j1sdk_budget_forcing)
    text = with_format(f'{{ name = "budget-forcing", rounds = 3, format = {inner} }}')
    run = read_run(described(run_file, text), catalogue)
    wrapped = tomllib.loads(f"format = {inner}")["format"]
    expected = JudgeRewardModel.model_validate(
        {"format": wrapped, "engine": "scripted"}, context=catalogue
    ).format
    assert isinstance(run.judge.format, j1sdk_budget_forcing.BudgetForcing)
    assert run.judge.format.format == expected and run.judge.format.rounds == 3
    assert build_run(tomllib.loads(dump_run(run)), known=catalogue) == run


REFUSED = {
    "top": ("sed = 1\n" + JUDGE, "unknown key 'sed'; did you mean 'seed'?"),
    "judge": (JUDGE + 'order = "both"\n', "judge: unknown key 'order'; did you mean 'orders'?"),
    "sampling": (
        JUDGE + "sampling = { temperatur = 1 }\n",
        "judge.sampling: unknown key 'temperatur'; did you mean 'temperature'?",
    ),
    "format": (
        with_format('{ name = "pairwise-verdict", thinkin = "plan" }'),
        "judge.format: unknown key 'thinkin'; did you mean 'thinking'?",
    ),
    "data": (
        JUDGE + '[data]\nname = "arithmetic"\nlimt = 3\n',
        "data: unknown key 'limt'; did you mean 'limit'?",
    ),
    "reward": (
        JUDGE + '[train]\nname = "grpo"\nrewards = ["verdict-correctness",'
        ' { name = "verdict-consistency", pairin = "all" }]\n',
        "train.rewards.1: unknown key 'pairin'; did you mean 'pairing'?",
    ),
    "lora": (
        JUDGE + '[train]\nname = "grpo"\nlora = { rnk = 3 }\n',
        "train.lora: unknown key 'rnk'; did you mean 'rank'?",
    ),
    "format name": (
        with_format('"pairwise-verdic"'),
        "judge.format: no format is called 'pairwise-verdic'; did you mean 'pairwise-verdict'?",
    ),
    "engine name": (
        JUDGE.replace('"scripted"', '"transformer"'),
        "judge.engine: no engine is called 'transformer'; did you mean 'transformers'?",
    ),
    "source name": (
        JUDGE + '[data]\nname = "aritmetic"\n',
        "data: no source is called 'aritmetic'; did you mean 'arithmetic'?",
    ),
    "trainer name": (
        JUDGE + '[train]\nname = "grop"\n',
        "train: no trainer is called 'grop'; did you mean 'grpo'?",
    ),
    "reward name": (
        JUDGE + '[train]\nname = "grpo"\nrewards = ["verdict-correctnes"]\n',
        "train.rewards.0: no reward is called 'verdict-correctnes'; did you mean"
        " 'verdict-correctness'?",
    ),
    "no name": (with_format('{ thinking = "plan" }'), "judge.format: no `name`: say which"),
    "name of another type": (with_format("{ name = 5 }"), "judge.format: "),
    "component of another type": (with_format("5"), "judge.format: Input should be"),
    "choice": (
        with_format('{ name = "pairwise-verdict", thinking = "plam" }'),
        "judge.format.thinking: Input should be 'think', 'plan' or 'none'",
    ),
    "integer": (JUDGE + '[train]\nname = "grpo"\nsteps = "x"\n', "train.steps: Input should be"),
    "missing": (JUDGE + '[data]\nname = "jsonl"\n', "data.path: Field required"),
    "section": ("judge = 5\n", "judge: Input should be"),
    "nothing": ("", "judge: Field required"),
    "limits": (JUDGE + "sampling = { top_p = 1.5 }\n", "judge.sampling.top_p: Input should be"),
    "range": (with_format('{ name = "pointwise", low = 9, high = 3 }'), "low (9) must be less"),
}


@pytest.mark.parametrize(("text", "complaint"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_file_and_key(
    run_file: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        read_run(described(run_file, text))
    assert str(caught.value).startswith(f"{run_file}:\n  ")


def test_all_complaints_are_listed_at_once(run_file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run(described(run_file, 'seed = "x"\n' + JUDGE + 'orders = "neither"\n'))
    keys = [line.split(":")[0] for line in str(caught.value).splitlines()[1:]]
    assert keys == ["  judge.orders", "  seed"]


@pytest.mark.parametrize("content", [b"x = ", b"\xff", b"[judge", b'{"judge": 1}'])
def test_what_is_not_toml_is_refused_by_name(run_file: Path, content: bytes) -> None:
    run_file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(run_file))} is not TOML: "):
        read_run(run_file)


def test_an_absent_file_is_refused_by_name(run_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^cannot read {re.escape(str(run_file))}: No such"):
        read_run(run_file)
    with pytest.raises(ConfigError, match="Is a directory"):
        read_run(tmp_path)


def formats() -> st.SearchStrategy[JudgmentFormat]:
    tenths = st.integers(-50, 0), st.integers(1, 200)
    scores = st.tuples(*tenths).map(lambda ends: PairwiseScores(low=ends[0] / 10, high=ends[1]))
    thinking = st.sampled_from(("think", "plan", "none"))
    verdicts = st.builds(PairwiseVerdict, thinking=thinking, lenient=st.booleans())
    return st.one_of(verdicts, scores, st.builds(Pointwise, thinking=thinking))


def engines() -> st.SearchStrategy[Engine]:
    options = st.dictionaries(st.text(), st.one_of(st.booleans(), st.text(), st.integers()))
    scripted = st.builds(Scripted, answers=st.lists(st.text(), max_size=3).map(tuple))
    named = st.builds(
        Transformers, model=st.just("maker/model"), template_options=options,
        adapter=st.none() | st.just("maker/adapter"), batch_size=st.integers(1, 9),
    )  # fmt: skip
    return st.one_of(scripted, named)


def judges() -> st.SearchStrategy[JudgeRewardModel]:
    sampling = st.builds(
        Sampling, temperature=st.floats(0, 2), top_p=st.floats(0.01, 1),
        stop=st.lists(st.text(min_size=1), max_size=2).map(tuple),
    )  # fmt: skip
    orders = st.sampled_from(("both", "first"))
    return st.builds(
        JudgeRewardModel, format=formats(), engine=engines(), orders=orders, sampling=sampling
    )


def sources() -> st.SearchStrategy[Source]:
    name = st.text("ab c'\"\\é#", min_size=1).map(lambda name: Path("/nowhere") / name)
    sums = st.builds(Arithmetic, seed=st.integers(), bias=st.floats(0, 1))
    return st.one_of(sums, st.builds(JsonLines, path=name, limit=st.none() | st.integers(1, 9)))


def trainers() -> st.SearchStrategy[Trainer]:
    pairing: st.SearchStrategy[Literal["index", "all"]] = st.sampled_from(("index", "all"))
    consistency = st.builds(VerdictConsistency, pairing=pairing, tied=st.floats(-1, 1))
    rewards = st.tuples(consistency, st.builds(VerdictCorrectness, weight=st.floats(0.1, 2)))
    lora = st.none() | st.builds(Lora, target_modules=st.just("all-linear") | st.just(("q", "v")))
    grpo = st.builds(Grpo, rewards=rewards, kl=st.floats(0, 1), lora=lora)
    data = st.none() | sources()
    sft = st.builds(Sft, learning_rate=st.floats(1e-9, 1), data=data)
    one = st.one_of(grpo, sft, st.builds(OnPolicyDpo, rounds=st.integers(1, 3), data=data))
    phases = st.lists(one, min_size=1, max_size=3).map(tuple)
    return st.one_of(one, st.builds(Chain, phases=phases))


RUNS = st.builds(
    Run, judge=judges(), data=st.none() | sources(), train=st.none() | trainers(),
    seed=st.integers(), made_with=st.dictionaries(st.text(), st.text(), max_size=2),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(run=RUNS)
def test_reading_a_dump_gives_the_same_run(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    path = tmp_path_factory.getbasetemp() / "dumped.toml"
    path.write_text(dump_run(run), encoding="utf-8")
    assert read_run(path) == run


def test_paths_are_relative_to_the_run_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    (folder / "model").mkdir(parents=True)
    (folder / "lora").mkdir()
    text = JUDGE.replace(
        '"scripted"', '{ name = "transformers", model = "model", adapter = "lora"}'
    )
    text += '[data]\nname = "jsonl"\npath = "pairs.jsonl"\n'
    described(folder / "run.toml", text)
    run = read_run(Path("runs/run.toml"))
    expected = Transformers(model=str(folder / "model"), adapter=str(folder / "lora"))
    assert run.judge.engine == expected
    assert run.data == JsonLines(path=folder / "pairs.jsonl")


@pytest.mark.parametrize(
    ("model", "expected"),
    [("../other", "{folder}/../other"), ("/abs/olute", "/abs/olute"), ("maker/model",) * 2],
)
def test_a_models_name_is_a_path_only_if_it_looks_like_one(
    run_file: Path, model: str, expected: str
) -> None:
    engine = f'{{ name = "transformers", model = "{model}" }}'
    run = read_run(described(run_file, JUDGE.replace('"scripted"', engine)))
    assert isinstance(run.judge.engine, Transformers)
    assert run.judge.engine.model == expected.format(folder=run_file.parent)


def test_what_a_server_calls_its_model_is_no_path(run_file: Path) -> None:
    (run_file.parent / "judge").mkdir()
    engine = '{ name = "openai", model = "judge", base_url = "http://localhost:1/v1" }'
    run = read_run(described(run_file, JUDGE.replace('"scripted"', engine)))
    assert getattr(run.judge.engine, "model", None) == "judge"


def test_a_saved_run_still_finds_its_data_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    described(tmp_path / "run.toml", JUDGE + '[data]\nname = "jsonl"\npath = "pairs.jsonl"\n')
    run = read_run(Path("run.toml"))
    save_judge(run.judge, tmp_path / "out" / "judge", run)
    assert open_run(tmp_path / "out" / "judge").data == JsonLines(path=tmp_path / "pairs.jsonl")


def tiny_judge(model: Path, **options: Any) -> JudgeRewardModel:
    engine = Transformers(model=str(model), dtype="float32", device="cpu")
    sampling = Sampling(max_new_tokens=8)
    return JudgeRewardModel(format=Pointwise(high=5.0), engine=engine, sampling=sampling, **options)


def test_a_saved_judge_is_opened_as_it_was(tiny_model: Path, tmp_path: Path) -> None:
    judge = tiny_judge(tiny_model, orders="first")
    judge.save(tmp_path / "judge")
    (tmp_path / "judge").rename(tmp_path / "moved")
    loaded = JudgeRewardModel.load(tmp_path / "moved")
    assert isinstance(loaded.engine, Transformers)
    assert loaded.engine.model == str(tmp_path / "moved")
    assert loaded.model_copy(update={"engine": judge.engine}) == judge
    tasks = [JudgmentTask(prompt="2+2?", responses=("4",))]
    said = [result.judgments[0].text for result in (judge.judge(tasks)[0], loaded.judge(tasks)[0])]
    assert said[0] and said[0] == said[1]


def test_loading_replaces_what_it_is_told_to(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted(answers=("a",)))
    judge.save(tmp_path)
    loaded = JudgeRewardModel.load(str(tmp_path), orders="first", sampling=Sampling(top_p=0.5))
    assert loaded == judge.model_copy(update={"orders": "first", "sampling": Sampling(top_p=0.5)})


def test_the_record_says_what_made_it(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted())
    save_judge(judge, tmp_path, Run(judge=judge, seed=7, train=Grpo(steps=3)))
    run = open_run(tmp_path)
    assert (run.seed, run.train) == (7, Grpo(steps=3))
    assert {"python", "j1sdk", "torch", "transformers", "trl"} <= set(run.made_with)
    assert run.made_with["j1sdk"] == version("j1sdk")


def test_the_run_is_not_that_of_another_judge(tmp_path: Path) -> None:
    before = JudgeRewardModel(format=PairwiseVerdict(), engine=Scripted())
    trained = before.model_copy(update={"engine": Scripted(answers=("trained",))})
    save_judge(trained, tmp_path, Run(judge=before))
    assert JudgeRewardModel.load(tmp_path) == trained


def test_a_folder_without_a_run_file_is_no_judge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"is not a saved judge: it has no {RUN_FILE}"):
        JudgeRewardModel.load(tmp_path)
    with pytest.raises(ConfigError, match="cannot read"):
        open_run(tmp_path)


class FullDisk(Scripted):
    """An engine whose weights do not fit."""

    def save(self, directory: Path) -> Engine:
        (directory / "model.safetensors").write_bytes(b"half")
        raise OSError("no space left on device")


def test_a_save_that_fails_half_way_leaves_no_judge(tmp_path: Path) -> None:
    judge = JudgeRewardModel(format=PairwiseVerdict(), engine=FullDisk())
    with pytest.raises(OSError, match="no space"):
        judge.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    with pytest.raises(ConfigError, match="is not a saved judge"):
        JudgeRewardModel.load(tmp_path)
