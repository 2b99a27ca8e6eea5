"""Nothing is read that a judge did not finally and plainly say: every format, both readings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import final_answer as plain
import pytest
from answer_attacks import attacked
from final_answer import Rules
from j1sdk_family.reward_anything import RewardAnything
from j1sdk_family.rm_r1 import RmR1
from j1sdk_family.rrm import Rrm
from j1sdk_family.think_j import ThinkJ
from j1sdk_rubric import Criterion, Rubric
from j1sdk_spct import Spct, SpctSingle

from j1sdk import (
    Completion,
    JudgmentFormat,
    JudgmentTask,
    PairwiseScores,
    PairwiseVerdict,
    PairwiseVerdictScores,
    Pointwise,
    Presentation,
    Scores,
)
from j1sdk.deliberation import replay

Check = Callable[[str], Scores | None]
LETTERS = {"A": (1.0, 0.0), "B": (0.0, 1.0)}
VERDICTS = {"[[A]]": "A", "[[B]]": "B"}
CRITERIA = tuple(Criterion(text=text) for text in ("It is so.", "It is short.", "It is kind."))
PLAN, EVAL = ("plan", "execution"), ("eval",)


def of_letter(letter: Any) -> Scores | None:
    return None if letter is None else LETTERS[letter]


def verdicts(text: str, thoughts: tuple[str, ...], lenient: bool) -> Scores | None:
    if lenient:
        return of_letter(plain.lenient_bare(text, plain.like_a_verdict, VERDICTS))
    rules = Rules(thoughts, ("answer",))
    given = plain.strict_tagged(text, rules, {"answer": plain.verdict})
    return of_letter(given[0]) if given else None


def tail_verdicts(text: str, lenient: bool) -> Scores | None:
    return verdicts(text[-80:] if lenient else text, EVAL, lenient)


def scores(
    text: str, thoughts: tuple[str, ...], lenient: bool, names: tuple[str, ...], high: float = 10.0
) -> Scores | None:
    read = plain.lenient_tagged if lenient else plain.strict_tagged
    given = read(text, Rules(thoughts, names), dict.fromkeys(names, plain.number_of(high)))
    return tuple(given) if given else None


def both(text: str, thoughts: tuple[str, ...], lenient: bool) -> Scores | None:
    names = ("score_A", "score_B")
    numbers = dict.fromkeys(names, plain.number_of(10.0))
    if lenient:
        given = plain.lenient_tagged(text, Rules(thoughts, names), numbers)
        letter = plain.lenient_bare(text, plain.like_a_verdict, VERDICTS)
        return of_letter(letter) if given and max(given) <= 10 and min(given) >= 0 else None
    rules = Rules(thoughts, (*names, "answer"))
    given = plain.strict_tagged(text, rules, {**numbers, "answer": plain.verdict})
    return of_letter(given[2]) if given and 0 <= min(given[:2]) <= max(given[:2]) <= 10 else None


def strengths(text: str, lenient: bool) -> Scores | None:
    if lenient:
        marks = {f"[[{x}]] by {n}": (x, n) for x in "AB" for n in range(1000)}
        given = plain.lenient_bare(text, plain.like_a_verdict, marks)
    else:
        rules = Rules(("think",), ("answer",))
        read = plain.strict_tagged(text, rules, {"answer": plain.strength})
        given = read[0] if read else None
    if given is None:
        return None
    return (float(given[1]), 0.0) if given[0] == "A" else (0.0, float(given[1]))


def boxes(text: str, lenient: bool) -> Scores | None:
    box = partial(plain.all_agree, opening="\\boxed{", closing="}", interpret=plain.boxed_assistant)
    if lenient:
        value, rest = plain.last_one(text, "\\boxed{", "}", plain.boxed_assistant)
        return None if "\\boxed" in plain.folded(rest) else of_letter(value)
    region = plain.answer_region(text, ("think",))
    if region is None or plain.folded(region).count("\\boxed") != region.count("\\boxed{"):
        return None
    end = region.rfind("}") + 1
    return None if plain.words(region[end:]) else of_letter(box(region))


def principled(text: str, lenient: bool, count: int) -> Scores | None:
    interpret = plain.boxed_numbers(count)
    if lenient:
        value, rest = plain.last_one(
            text, "\\boxed{", "}", lambda held: interpret(f"\\boxed{{{held}}}")
        )
        return None if "\\boxed" in plain.folded(rest) else value
    given = plain.strict_tagged(
        text, Rules(("principles", "critique"), ("scores",)), {"scores": interpret}
    )
    return given[0] if given else None


def met(text: str, lenient: bool, count: int) -> Scores | None:
    read = plain.lenient_tagged if lenient else plain.strict_tagged
    given = read(text, Rules(("think",), ("answer",)), {"answer": plain.numbered_answers})
    return (sum(given[0]) / count,) if given and len(given[0]) == count else None


def objects(text: str, lenient: bool) -> Scores | None:
    if not lenient:
        region = plain.answer_region(text, ("think",))
        given = plain.json_pairs(region.replace("<|im_end|>", "")) if region is not None else None
        return tuple(map(float, given)) if given else None
    start = text.rfind('{"scores"')
    for end in range(len(text), start, -1) if start >= 0 else ():
        if text[end - 1] == "}" and (given := plain.json_pairs(text[start:end])):
            return None if '"scores' in plain.folded(text[end:]) else tuple(map(float, given))
    return None


def readings(lenient: bool) -> list[tuple[JudgmentFormat, Check]]:
    """Every format, and the checker of what it reads."""
    made: list[tuple[JudgmentFormat, Check]] = []
    for thinking, names in (("think", ("think",)), ("plan", PLAN), ("none", ())):
        options: Any = {"thinking": thinking, "lenient": lenient}
        pair = ("score_A", "score_B")
        made += [
            (PairwiseVerdict(**options), partial(verdicts, thoughts=names, lenient=lenient)),
            (PairwiseScores(**options), partial(scores, thoughts=names, lenient=lenient,
                                                names=pair)),
            (PairwiseVerdictScores(**options), partial(both, thoughts=names, lenient=lenient)),
            (Pointwise(high=5, **options), partial(scores, thoughts=names, lenient=lenient,
                                                   names=("score",), high=5.0)),
        ]  # fmt: skip
    return [
        *made,
        (RmR1(lenient=lenient), partial(tail_verdicts, lenient=lenient)),
        (Rrm(lenient=lenient), partial(boxes, lenient=lenient)),
        (ThinkJ(lenient=lenient), partial(strengths, lenient=lenient)),
        (RewardAnything(principle="?", lenient=lenient), partial(objects, lenient=lenient)),
        (Spct(lenient=lenient), partial(principled, lenient=lenient, count=2)),
        (SpctSingle(lenient=lenient), partial(principled, lenient=lenient, count=1)),
        (Rubric(lenient=lenient, criteria=CRITERIA), partial(met, lenient=lenient, count=3)),
    ]


def outcome(form: JudgmentFormat, text: str) -> tuple[str, Scores | None]:
    task = JudgmentTask(prompt="?", responses=("x", "y")[: form.arity])
    shown = Presentation(task=task, order=(0, 1)[: form.arity])
    made = replay(form, shown, Completion(text=text))
    return made.status.value, made.scores


def attack(form: JudgmentFormat, check: Check, cases: int, seed: int) -> Counter[str]:
    """How many cases ended how; fails on the first that was not finally given."""
    rng, counts = random.Random(seed), Counter[str]()
    for _ in range(cases):
        text = attacked(rng, form)
        status, read = outcome(form, text)
        counts[status] += 1
        if read is not None:
            assert read == check(text), f"{form!r} reads {read} from {text!r}"
    return counts


READINGS = [*readings(lenient=False), *readings(lenient=True)]
IDS = [repr(form)[:60] for form, _ in READINGS]


@pytest.mark.parametrize(("form", "check"), READINGS, ids=IDS)
def test_what_was_not_finally_given_is_never_read(form: JudgmentFormat, check: Check) -> None:
    counts = attack(form, check, cases=400, seed=1)
    assert counts["ok"] > 40, "the attacks leave too little to read for this to say anything"
    assert counts["unparseable"] > 40


LOOK_ALIKES = ["<thinknan>", "<think ", "< think>", "<THINK>", "\uff1cthink>"]


@pytest.mark.parametrize("opening", LOOK_ALIKES)
def test_what_only_looks_like_a_thought_hides_no_answer(opening: str) -> None:
    said = f"{opening}\n<score>1</score></think><score>5</score>"
    status, read = outcome(Pointwise(thinking="none"), said)
    assert (status, read) == ("unparseable", None)
    status, read = outcome(Pointwise(thinking="none"), said.replace(opening, "<think>"))
    assert (status, read) == ("ok", (5.0,))


@pytest.mark.slow
@pytest.mark.parametrize(("form", "check"), READINGS, ids=IDS)
def test_nor_in_three_hundred_thousand_cases(form: JudgmentFormat, check: Check) -> None:
    attack(form, check, cases=300_000 // len(READINGS) + 1, seed=2)
