"""Confidence against what was right: by hand, of judges that know and that do not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from j1sdk import Completion, JudgeRewardModel, JudgmentTask, PairwiseVerdict, Sampling, Scripted
from j1sdk.cli import j1
from j1sdk.evaluation.calibration import calibration_of, chance_of_gold
from j1sdk.judge import result_of
from j1sdk.judgments import first_chance, line_of, record_of
from j1sdk.types import Conversation, JudgeResult, Judgment, JudgmentStatus, Token

PAIR = JudgmentTask.from_pair("?", "right", "wrong")


def judgment(order: tuple[int, ...], *chances: dict[str, float], ok: bool = True) -> Judgment:
    return Judgment(
        task_id=PAIR.id,
        order=order,
        scores=(1.0, 0.0) if ok else None,
        status=JudgmentStatus.OK if ok else JudgmentStatus.UNPARSEABLE,
        probabilities=chances,
    )


def pair(first: float, second: float) -> JudgeResult:
    """The chance of A in each order; the right response is A in the first."""
    return result_of(PAIR, [
        judgment((0, 1), {"A": first, "B": 1 - first}),
        judgment((1, 0), {"A": second, "B": 1 - second}),
    ])  # fmt: skip


def test_a_pair_is_the_mean_of_both_orders() -> None:
    assert chance_of_gold(pair(0.9, 0.3)) == pytest.approx((0.9 + 0.7) / 2)
    assert chance_of_gold(pair(0.9, 0.9)) == pytest.approx(0.5), "it only likes what comes first"
    unread = result_of(PAIR, [judgment((0, 1), {"A": 0.9, "B": 0.1}), judgment((1, 0), ok=False)])
    assert chance_of_gold(unread) is None


def test_what_went_to_no_answer_is_left_out() -> None:
    assert first_chance(judgment((0, 1), {"A": 0.6, "B": 0.2})) == pytest.approx(0.75)
    assert first_chance(judgment((0, 1), {"A": 0.0, "B": 0.0})) is None
    assert first_chance(judgment((0, 1))) is None


def test_of_scores_it_is_that_one_is_higher() -> None:
    levels = ({"1": 0.5, "2": 0.5}, {"1": 0.25, "2": 0.75})
    higher, equal = 0.5 * 0.25, 0.5 * 0.25 + 0.5 * 0.75
    assert first_chance(judgment((0, 1), *levels)) == pytest.approx(higher + equal / 2)


def test_scores_are_those_of_a_hand_computation() -> None:
    found = calibration_of([0.91, 0.81, 0.29, 0.66])
    assert found is not None and found.n == 4
    assert found.brier.value == pytest.approx((0.09**2 + 0.19**2 + 0.71**2 + 0.34**2) / 4)
    assert found.log.value == pytest.approx(-sum(map(math.log, (0.91, 0.81, 0.29, 0.66))) / 4)
    # bins of 0.05, with one each: 0.71 is the confidence of the one that is wrong
    assert found.error.value == pytest.approx((0.09 + 0.19 + 0.71 + 0.34) / 4)
    assert [bin.n for bin in found.bins] == [1, 1, 1, 1]
    assert [bin.right.value for bin in found.bins] == [1, 0, 1, 1]
    assert [share for share, _ in found.coverage][-1] == 1.0
    rates = [round(rate.value, 3) for _, rate in found.coverage]
    assert rates == [1.0] * 5 + [0.667] * 2 + [0.75] * 3
    assert calibration_of([]) is None


def simulated(n: int, exponent: float) -> Sequence[float]:
    """Verdicts right as often as the odds say, and told with the odds raised to a power."""
    rng, made = random.Random(0), []
    for _ in range(n):
        true = rng.uniform(0.5, 1.0)
        told = true**exponent / (true**exponent + (1 - true) ** exponent)
        made.append(told if rng.random() < true else 1 - told)
    return made


def test_a_judge_that_overstates_is_told_from_one_that_does_not() -> None:
    honest, boastful = calibration_of(simulated(4000, 1)), calibration_of(simulated(4000, 3))
    assert honest is not None and boastful is not None
    assert honest.error.value < 0.03 and boastful.error.low > 0.05
    assert honest.brier.high < boastful.brier.value and honest.log.high < boastful.log.low
    for one in (honest, boastful):
        rates = [rate.value for _, rate in one.coverage]
        assert rates[0] > rates[-1] + 0.1, "the surest are right more often"


def likely(chance: float) -> Completion:
    told = (("A", math.log(chance)), ("B", math.log(1 - chance)))
    tokens = (
        Token("<answer>[[", 0.0),
        Token("A", math.log(chance), told),
        Token("]]</answer>", 0.0),
    )
    return Completion(text="<answer>[[A]]</answer>", tokens=tokens)


def test_eval_shows_it_wherever_it_was_recorded(tmp_path: Path) -> None:
    def script(asked: Conversation, sampling: Sampling) -> Completion:
        shown = asked[-1].content
        return likely(0.8 if shown.index("right") < shown.index("wrong") else 0.3)

    judge = JudgeRewardModel(
        format=PairwiseVerdict(thinking="none"), engine=Scripted(script=script),
        sampling=Sampling(top_logprobs=2),
    )  # fmt: skip
    tasks = [JudgmentTask.from_pair(f"{n}?", "right", "wrong", id=str(n)) for n in range(30)]
    lines = [
        line_of(judgment, result.task)
        for result in judge.judge(tasks)
        for judgment in result.judgments
    ]
    assert json.loads(lines[0])["first"] == pytest.approx(0.8)
    assert record_of(judge.judge(tasks[:1])[0].judgments[1], tasks[0]).first == pytest.approx(0.3)
    (tmp_path / "judged.jsonl").write_text("\n".join(lines) + "\n")
    words = ["eval", "--judgments", str(tmp_path / "judged.jsonl"), "--benchmark", "pairs"]
    done = CliRunner().invoke(j1, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "Calibration" in done.output and "Brier score" in done.output
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    found = written["strict"]["calibration"]
    assert found["n"] == 30 and found["brier"]["value"] == pytest.approx(0.25**2)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Share right by confidence" in page and "Share right of the surest pairs" in page
    again = CliRunner().invoke(j1, [*words, "--out", str(tmp_path / "again")])
    assert again.exit_code == 0
    both = [str(tmp_path / name) for name in ("out", "again", "compared")]
    compared = CliRunner().invoke(j1, ["compare", *both[:2], "--out", both[2]])
    assert "Calibration" in compared.output and compared.output.count("0.062") >= 2
    plain = [json.dumps(known | {"first": None}) for known in map(json.loads, lines)]
    (tmp_path / "judged.jsonl").write_text("\n".join(plain) + "\n")
    assert "Calibration" not in CliRunner().invoke(j1, words).output
