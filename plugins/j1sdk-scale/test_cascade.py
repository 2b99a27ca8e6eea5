"""A cascade thinks where its fast reading is not sure, and its threshold keeps to its risk."""

from __future__ import annotations

import json
import math
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from j1sdk_scale import Cascade, Pair, Prefilled, certainty_of, fit, pairs_needed, thought_about
from j1sdk_scale.calibrate_command import calibrate
from j1sdk_scale.calibration import THRESHOLDS, upper_bound
from j1sdk_scale.cascade import fast_sampling
from scipy.stats import binom

from j1sdk import (
    Completion,
    ConfigError,
    Conversation,
    Engine,
    EngineError,
    JudgeRewardModel,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    OpenAI,
    PairwiseScores,
    PairwiseVerdict,
    Pointwise,
    Sampling,
    Scaling,
    Single,
)
from j1sdk.evaluation.metrics import measure
from j1sdk.judging import judge_to_folder
from j1sdk.judgments import first_chance
from j1sdk.run import open_run
from j1sdk.testing import ComponentContract
from j1sdk.types import Token

VERDICT, FAST = PairwiseVerdict(), PairwiseVerdict(thinking="none")
THOUGHT = "word " * 50


COUNTS: dict[str, list[str]] = defaultdict(list)
"""What engines were asked for, by their tag."""


@pytest.fixture(autouse=True)
def uncounted() -> None:
    COUNTS.clear()


class TwoSpeeds(Engine):
    """Always right when it thinks; at once it is as sure, and as right, as the question says.

    `Question 3: 0.9` is a pair whose better response is named with probability 0.9 at once.
    """

    name = "two-speeds"
    down: bool = False
    """Whether it fails when it is to think."""
    bias: float = 0.0
    """How far the first response shown is preferred at once, in log odds."""
    tag: str = "large"

    async def complete(self, conversation: Conversation, sampling: Sampling) -> Completion:
        text = conversation[0].content
        right = "A" if text.index("right") < text.index("wrong") else "B"
        begun = conversation[-1].role == "assistant"
        if "answer at once" in text:
            COUNTS[self.tag].append("rest" if begun else "fast")
            assert sampling.top_logprobs and not sampling.temperature
            found = re.search(r"Question \d+: ([\d.]+)", text)
            assert found
            answer = at_once(right, float(found[1]), self.bias)
            return rest_of(answer, sampling) if begun else answer
        COUNTS[self.tag].append("thought")
        if self.down:
            raise EngineError("it is down")
        said = VERDICT.write((1.0, 0.0) if right == "A" else (0.0, 1.0), THOUGHT)
        return Completion(text=said, completion_tokens=60)


def at_once(right: str, chance: float, bias: float) -> Completion:
    """The likelier verdict, with its probability."""
    odds = math.log(chance / (1 - chance)) * (1 if right == "A" else -1) + bias
    first = 1 / (1 + math.exp(-odds))
    named = "A" if first > 0.5 else "B"
    both = (("A", math.log(first)), ("B", math.log(1 - first)))
    written = (Token("<answer>[[", 0.0), Token(named, dict(both)[named], both))
    tokens = (*written, Token("]]</answer>", 0.0))
    return Completion(
        text="".join(token.text for token in tokens), tokens=tokens, completion_tokens=3
    )


def rest_of(answer: Completion, sampling: Sampling) -> Completion:
    """What is left of an answer that was begun, up to where it is stopped."""
    if sampling.max_new_tokens == 1:
        tokens: tuple[Token, ...] = (answer.tokens[1],)
    else:
        assert sampling.stop == ("]]",)
        tokens = (Token("[[", 0.0), answer.tokens[1], Token("]]", 0.0))
    text = "".join(token.text for token in tokens)
    return answer.replace(text=text, tokens=tokens)


def task(number: int, chance: float) -> JudgmentTask:
    return JudgmentTask.from_pair(
        f"Question {number}: {chance}", f"right {number}", f"wrong {number}", id=f"pair-{number}"
    )


def judge_of(engine: Engine | None = None, scaling: Cascade | None = None) -> JudgeRewardModel:
    return JudgeRewardModel(
        format=VERDICT, engine=engine or TwoSpeeds(), scaling=scaling or Cascade(sure=0.9)
    )


class TestCascade(ComponentContract):
    component = Cascade(sure=0.9)
    abstract = Scaling


def test_a_sure_verdict_stands_and_costs_two_fast_readings() -> None:
    (result,) = judge_of().judge([task(0, 0.95)])
    assert result.preferred == 0 and result.consistent
    assert COUNTS["large"] == ["fast", "fast"]  # each order once, although both judgments need both
    assert result.usage.completion_tokens == 6
    assert not any(map(thought_about, result.judgments))


def test_an_unsure_one_is_thought_about() -> None:
    (result,) = judge_of().judge([task(0, 0.2)])
    assert result.preferred == 0  # at once it would have been the other
    assert sorted(COUNTS["large"]) == ["fast", "fast", "thought", "thought"]
    assert result.usage.completion_tokens == 6 + 120 and result.usage.calls == 4
    for judgment in result.judgments:
        assert thought_about(judgment) and THOUGHT.strip() in judgment.text
        fast, thought = judgment.samples
        assert fast.probabilities and fast.order == judgment.order == thought.order


def test_the_metrics_tell_how_often_it_thought() -> None:
    results = judge_of().judge([task(0, 0.95), task(1, 0.95), task(2, 0.95), task(3, 0.6)])
    measured = measure(results)
    assert measured.mean_samples == 1.25 and measured.accuracy == 1.0
    assert measured.mean_completion_tokens == 3 + 60 / 4


def test_orders_that_differ_are_thought_about_however_sure_each_is() -> None:
    (result,) = judge_of(TwoSpeeds(bias=9.0)).judge([task(0, 0.6)])
    assert all(map(thought_about, result.judgments)) and result.preferred == 0


def test_what_went_to_no_answer_is_no_certainty() -> None:
    def read(first: float, second: float) -> Judgment:
        return Judgment(
            task_id="x", order=(0, 1), scores=(1.0, 0.0), status=JudgmentStatus.OK,
            probabilities=({"A": first, "B": second},),
        )  # fmt: skip

    swapped = read(0.1, 0.8).replace(order=(1, 0), scores=(0.0, 1.0))
    assert certainty_of([read(0.9, 0.1)]) == pytest.approx(0.9)
    assert certainty_of([read(0.09, 0.01)]) == pytest.approx(0.09)
    assert certainty_of([read(0.9, 0.1), swapped]) == pytest.approx((0.9 + 0.8) / 2)
    assert certainty_of([read(0.9, 0.1), swapped.replace(probabilities=())]) == 0.0


def test_one_order_alone_is_read_alone() -> None:
    judge = judge_of().replace(orders="first")
    judge.judge([task(0, 0.95)])
    assert COUNTS["large"] == ["fast"]


def test_where_thinking_fails_there_is_no_score() -> None:
    (result,) = judge_of(TwoSpeeds(down=True)).judge([task(0, 0.5001)])
    assert result.scores == (None, None)
    assert {one.status for one in result.judgments} == {JudgmentStatus.ENGINE_ERROR}


def test_a_smaller_model_can_read_fast() -> None:
    judge = judge_of(scaling=Cascade(sure=0.9, engine=TwoSpeeds(tag="small")))
    judge.judge([task(0, 0.95), task(1, 0.6)])
    assert COUNTS["small"] == ["fast"] * 4 and COUNTS["large"] == ["thought"] * 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scaling": Cascade()}, "j1 calibrate"),
        ({"scaling": Cascade(sure=0.9, fast={})}, "smaller `engine`"),
        ({"format": Pointwise(), "scaling": Cascade(sure=0.9)}, "such as pairwise-verdict"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        JudgeRewardModel(**{"format": VERDICT, "engine": TwoSpeeds(), **changes})


@pytest.mark.parametrize("begun", ["verdict", "answer"])
def test_an_answer_that_was_begun_says_the_same(begun: Any) -> None:
    tasks = [task(number, chance) for number, chance in enumerate((0.95, 0.6, 0.2))]
    whole = judge_of().judge(tasks)
    assert set(COUNTS["large"]) == {"fast", "thought"}
    COUNTS.clear()
    short = judge_of(scaling=Cascade(sure=0.9, prefill=begun)).judge(tasks)
    assert set(COUNTS["large"]) == {"rest", "thought"}
    assert [one.preferred for one in short] == [one.preferred for one in whole] == [0, 0, 0]
    for one, other in zip(short, whole, strict=True):
        for mine, theirs in zip(one.judgments, other.judgments, strict=True):
            assert thought_about(mine) == thought_about(theirs)
            assert theirs.samples[0].text.startswith(mine.samples[0].text)
            assert first_chance(mine.samples[0]) == pytest.approx(first_chance(theirs.samples[0]))


def test_an_answer_is_begun_where_that_can_go_on() -> None:
    for format in (VERDICT, PairwiseScores(thinking="none")):
        with pytest.raises(ConfigError, match="only a verdict"):
            Prefilled(format=format)
    server = OpenAI(model="judge", base_url="http://localhost:1/v1")
    with pytest.raises(ConfigError, match="cannot continue"):
        JudgeRewardModel(format=Prefilled(format=FAST), engine=server)
    with pytest.raises(ConfigError, match="cannot continue"):
        judge_of(server, Cascade(sure=0.9, prefill="verdict"))


def test_begun_answers_are_judged_into_a_folder_and_gone_on_with(tmp_path: Path) -> None:
    judge = judge_of().replace(format=Prefilled(format=FAST), scaling=Single())
    judge = judge.replace(sampling=fast_sampling(judge.sampling))
    judge_to_folder(judge, [task(0, 0.9)], tmp_path)
    judge_to_folder(judge, [task(0, 0.9), task(1, 0.9)], tmp_path)
    assert COUNTS["large"] == ["rest"] * 4


def test_scores_are_read_at_two_speeds_too() -> None:
    format = PairwiseScores()
    fast = Cascade(sure=0.9).fast_format(format)
    assert fast == PairwiseScores(thinking="none")


def test_the_bound_is_the_exact_binomial_one() -> None:
    for count, n in ((0, 299), (3, 500), (17, 400)):
        assert binom.cdf(count, n, upper_bound(count, n)) == pytest.approx(0.05, abs=1e-9)
    assert upper_bound(0, pairs_needed(0.01)) <= 0.01 < upper_bound(0, pairs_needed(0.01) - 1)


def test_a_fitted_threshold_keeps_to_its_risk_nineteen_times_in_twenty() -> None:
    """On many calibration sets, of a fast reading that is right as often as it says."""
    drawn, exceeded, runs = random.Random(0), 0, 400
    for _ in range(runs):
        sure = [drawn.uniform(0.5, 1.0) for _ in range(400)]
        pairs = [Pair(one, drawn.random() < one, 3, 100) for one in sure]
        fitted = fit(pairs, risk=0.02)
        # above t, certainty is uniform: a share 1 - t of 0.5 is decided, of it (1 - t) / 2 wrongly
        true = (1 - (fitted.sure or 1.0)) ** 2
        exceeded += true > 0.02
    assert exceeded <= binom.ppf(0.999, runs, 0.05)


def test_nothing_is_sure_enough_where_the_surest_are_often_wrong() -> None:
    drawn = random.Random(0)
    pairs = [Pair(1.0, drawn.random() < 0.9, 3, 100) for _ in range(500)]
    fitted = fit(pairs, risk=0.01)
    assert fitted.sure is None and fitted.taken is None
    assert fitted.thresholds[0].sure == THRESHOLDS[0] and len(fitted.thresholds) == 1


class Uneven(TwoSpeeds):
    name = "uneven"


RUN = """# my judge
[judge]
format = "pairwise-verdict"
scaling = { name = "cascade", risk = 0.05 }  # how sure is fitted

[judge.engine]
name = "uneven"
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from j1sdk.catalogue import catalogue

    find = catalogue().find
    ours: Any = lambda kind, name: Uneven if name == "uneven" else find(kind, name)  # noqa: E731
    monkeypatch.setattr(type(catalogue()), "find", lambda self, kind, name: ours(kind, name))
    drawn = random.Random(1)
    rows = []
    for number in range(80):
        chance = drawn.choice([0.999, 0.99, 0.6, 0.4])
        rows.append(
            {
                "prompt": f"Question {number}: {chance}",
                "chosen": f"right {number}",
                "rejected": f"wrong {number}",
            }
        )
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "judge.toml").write_text(RUN)
    return tmp_path


def ran(folder: Path, *words: object) -> Any:
    data = ["--data", folder / "pairs.jsonl", "--out", folder / "out"]
    return CliRunner().invoke(calibrate, [str(word) for word in (*words, *data)])


def test_the_command_writes_the_threshold_and_leaves_the_rest_of_the_file(written: Path) -> None:
    done = ran(written, written / "judge.toml")
    assert done.exit_code == 0, done.output
    text = (written / "judge.toml").read_text()
    assert re.sub(r", sure = [\d.]+}", " }", text) == RUN
    judge = open_run(written / "judge.toml").judge
    assert isinstance(judge.scaling, Cascade) and 0.6 < (judge.scaling.sure or 0) < 0.999
    assert "a fast verdict stands" in (written / "out/report.html").read_text()
    fitted = json.loads((written / "out/calibration.json").read_text())
    assert fitted["n"] == 80 and fitted["sure"] == judge.scaling.sure


def test_the_command_goes_on_and_judges_nothing_twice(written: Path) -> None:
    ran(written, written / "judge.toml")
    before = {path: path.read_bytes() for path in (written / "out").rglob("judgments.jsonl")}
    assert len(before) == 2
    again = ran(written, written / "judge.toml")
    assert again.exit_code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert len(COUNTS["large"]) == 2 * 2 * 80  # pairs, orders, speeds


def test_too_few_pairs_for_the_risk_are_refused(written: Path) -> None:
    done = ran(written, written / "judge.toml", "--limit", 50)
    assert done.exit_code and isinstance(done.exception, ConfigError)
    assert "give 59 or more" in str(done.exception)


def test_a_run_file_without_a_cascade_says_what_to_write(written: Path) -> None:
    plain = RUN.replace('{ name = "cascade", risk = 0.05 }', '"vote"')
    (written / "judge.toml").write_text(plain)
    done = ran(written, written / "judge.toml")
    assert isinstance(done.exception, ConfigError) and "fits a cascade" in str(done.exception)
