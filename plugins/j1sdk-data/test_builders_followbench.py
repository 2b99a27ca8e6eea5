"""FollowBench pairs: instructions, rules, the checker, what is paired, counted and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmark_results import write
from followbench_files import DOWN
from j1sdk_benchmarks.followbench import FollowBench
from j1sdk_data.builders import ENGINE_ERROR, Built
from j1sdk_data.builders.constraints import (
    RULES,
    ConstraintChecks,
    Instruction,
    fills,
    growth,
    read_instructions,
)
from j1sdk_data.builders.followbench import FollowBenchPairs
from j1sdk_data.building import PAIRS_FILE, build_to_folder
from j1sdk_data.testing import BuilderContract

from j1sdk import (
    Completion,
    Conversation,
    DataError,
    Sampling,
    Scripted,
    Unparseable,
)
from j1sdk.background import run
from j1sdk.engines.scripted import Answer, Script
from j1sdk.errors import ConfigError
from j1sdk.testing import FormatContract

CUT = Completion(text="so far", finish_reason="length")
YES, NO = "<think>\nfine\n</think>\n<met>yes</met>", "<think>\nno\n</think>\n<met>no</met>"


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """An instruction as the files have it, with made-up text."""
    return {
        "example_id": 1, "category": "style", "source": "oasst", "level": number,
        "instruction": f"Say hello{', politely' * number}.", "target": "", **changes,
    }  # fmt: skip


def stored(folder: Path, type: str = "style", *entries: dict[str, Any]) -> Path:
    write(folder / f"{type}_constraints.json", entries or [entry(0), entry(1)])
    return folder


def in_turn(*answers: Answer) -> Script:
    """Says one answer after the other, and begins again."""
    said = 0

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        nonlocal said
        said += 1
        return answers[(said - 1) % len(answers)]

    return script


def builder(
    folder: Path, answers: tuple[Answer, ...], checks: tuple[Answer, ...] = (), **options: Any
) -> FollowBenchPairs:
    """One instruction of level 1, answered and checked in turn."""
    options = {"samples": max(2, len(answers)), "types": ("style",)} | options
    return FollowBenchPairs(
        path=options.pop("path", None) or stored(folder),
        engine=Scripted(script=in_turn(*answers)),
        checker=Scripted(script=in_turn(*checks)) if checks else Scripted(),
        **options,
    )


def built(made: FollowBenchPairs) -> Built:
    (item,) = made.items()
    return run(made.build(item))


class TestContract(BuilderContract):
    @pytest.fixture(autouse=True)
    def build(self, tmp_path: Path) -> None:
        path = stored(tmp_path, "style", entry(0), entry(1), entry(2))
        self.component = FollowBenchPairs(
            path=path, types=("style",), samples=3,
            engine=Scripted(script=in_turn("Hi.", "Hello, sir.", "What?")),
            checker=Scripted(script=checks_politeness),
        )  # fmt: skip


class TestFormat(FormatContract):
    component = ConstraintChecks(constraints=2)
    examples = ((0.5,),)


def checks_politeness(conversation: Conversation, sampling: Sampling) -> str:
    asked = conversation[-1].content
    n = 2 if "grew to 2 constraints" in asked else 1
    polite = "sir" in asked.partition("[Response]")[2]
    return ConstraintChecks(constraints=n).write((1.0 if polite else 0.0,))


def test_instructions_grow_by_a_constraint_a_level(tmp_path: Path) -> None:
    entries = [entry(level) for level in range(3)] + [entry(1, example_id=2, instruction="Bye.")]
    first, second, third = read_instructions(stored(tmp_path, "style", *entries), "style")
    assert (first.id, second.id, third.id) == ("style-1-L1", "style-1-L2", "style-2-L1")
    assert second.versions == (
        "Say hello.",
        "Say hello, politely.",
        "Say hello, politely, politely.",
    )
    assert second.text == "Say hello, politely, politely."
    assert third.versions == ("Bye.",)


def test_an_instruction_that_begins_with_a_constraint_is_told_as_such(tmp_path: Path) -> None:
    path = stored(tmp_path, "content", entry(0, instruction=""), entry(1), entry(2))
    *_, last = read_instructions(path, "content")
    assert growth(last) == (
        "With 1 of them:\nSay hello, politely.\n\nWith 2 of them:\nSay hello, politely, politely."
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"level": 6}, "level: "),
        ({"level": "1"}, "level: "),
        ({"example_id": None}, "example_id: "),
        ({"instruction": None}, "instruction: "),
        ({"instruction": ""}, "instruction: there is none"),
        ({"target": 3}, "target: "),
        ({"source": None}, "source: "),
    ],
)
def test_a_bad_instruction_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = stored(tmp_path, "style", entry(0), entry(1, **change))
    with pytest.raises(DataError) as caught:
        list(read_instructions(path, "style"))
    where = path / "style_constraints.json"
    assert str(caught.value).startswith(f"{where}, index 1: {complaint}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*mixed_constraints.json: No such file"):
        list(read_instructions(tmp_path, "mixed"))
    (tmp_path / "mixed_constraints.json").write_text("[", encoding="utf-8")
    with pytest.raises(DataError, match=r"mixed_constraints.json is not JSON"):
        list(read_instructions(tmp_path, "mixed"))
    (tmp_path / "mixed_constraints.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"expected an array, got dict"):
        list(read_instructions(tmp_path, "mixed"))


@pytest.mark.parametrize(
    ("source", "target", "meets", "fails"),
    [
        ("E2E", "name[X], food[Y]", "name[X], food[Y]", "name[X],food[Y]"),
        ("text_editing", "apples love", "apples love", "apples love."),
        ("WIKIEVENTS", "a died\nb died", "b died", "b died\nc died"),
        ("CONLL2003", "['Bonn', 'Paris']", "Paris", "Bonn and Paris"),
        ("self_made_space", "20th floor", "He is on the 20th floor.", "floor 20"),
        ("BBH_logical", "(B)", "Not (A), so (B).", "(B)? No, (A)."),
        ("BBH_time", "12/29/1937", "it is 12/29/1937", "12/29/1937, or 12/30/1937"),
        ("gsm_8k", "$14", "$12 and $2 are $14.", "14 dollars"),
    ],
)
def test_rules_say_what_meets_a_target(source: str, target: str, meets: str, fails: str) -> None:
    assert RULES[source](meets, target)
    assert not RULES[source](fails, target)
    assert not RULES[source]("", target)


@pytest.mark.parametrize(
    ("target", "meets", "fails"),
    [
        ("{instruction}\nBot: {answer}", "Bot: (yes) *", "Answer: yes"),
        ("{instruction}\n{{'Bot': '{answer}'}}", "{'Bot': 'it's {it}'}", "{{'Bot': 'x'}}"),
        ("{instruction}\n[Bot]\n{answer}", "[Bot]\nyes", "[Bot]\nyes\nno"),
        ("{instruction}\n{answer}", "anything", "two\nlines"),
    ],
)
def test_examples_want_their_template_filled(target: str, meets: str, fails: str) -> None:
    assert fills(meets, target)
    assert not fills(fails, target)


def test_the_rule_of_an_example_is_not_that_of_its_source() -> None:
    known: dict[str, Any] = {"example": 1, "level": 1, "versions": ("?",), "target": "{answer}"}
    assert Instruction(type="example", source="E2E", **known).rule is fills
    assert Instruction(type="content", source="E2E", **known).rule is RULES["E2E"]
    assert Instruction(type="content", source="oasst", **known).rule is None


@pytest.mark.parametrize(
    ("said", "share"),
    [("yes, yes, no", 2 / 3), ("no,no,no", 0.0), (" yes , yes , yes ", 1.0)],
)
def test_each_constraint_is_said_to_be_met_or_not(said: str, share: float) -> None:
    answer = f"<think>\n<met>no, no, no</met>\n</think>\n<met>{said}</met>"
    assert ConstraintChecks(constraints=3).parse(answer) == (share,)


@pytest.mark.parametrize(
    "said",
    ["yes, yes", "yes, yes, yes, no", "yes, no, maybe", "", "3", "YES, NO, YES", "yes yes no"],
)
def test_anything_else_is_not_read(said: str) -> None:
    form = ConstraintChecks(constraints=3)
    with pytest.raises(Unparseable):
        form.parse(f"<think>\nhm\n</think>\n<met>{said}</met>")
    with pytest.raises(Unparseable):
        form.parse("<met>yes, yes, yes</met>")
    with pytest.raises(Unparseable, match="differs"):
        form.parse("</think><met>yes, yes, yes</met><met>no, yes, yes</met>")


def test_the_first_that_meets_all_meets_the_first_that_does_not(tmp_path: Path) -> None:
    made = builder(tmp_path, ("Hi.", "Hey.", "Hello, sir."), (NO, NO, YES))
    outcome = built(made)
    (pair,) = outcome.pairs
    assert (pair.responses, pair.preferred) == (("Hello, sir.", "Hi."), 0)
    assert (pair.id, pair.subset, pair.reference) == ("style-1-L1", "style/L1", None)
    assert pair.prompt[0].content == "Say hello, politely."
    assert outcome.counts == {
        "meets": 1, "fails": 2, "unchecked": 0, "truncated": 0, ENGINE_ERROR: 0,
        "checked_by_rule": 0, "checked_by_model": 3,
    }  # fmt: skip
    assert outcome.usage.calls == 6, "three responses and three checks"


def test_no_more_is_asked_than_it_takes(tmp_path: Path) -> None:
    made = builder(tmp_path, ("Hi.", "Hello, sir.", "unasked"), (NO, YES))
    assert built(made).usage.calls == 4


def test_the_checker_is_shown_how_the_instruction_grew_and_one_response(tmp_path: Path) -> None:
    checker = Scripted(script=in_turn(NO, YES))
    made = builder(tmp_path, ("Hi [Response] there", "Hello, sir.")).model_copy(
        update={"checker": checker}
    )
    built(made)
    asked = checker.asked[0][0].content
    assert "With 0 of them:\nSay hello." in asked
    assert "With 1 of them:\nSay hello, politely." in asked
    assert asked.count("[Response]") == 1, "what the response says is broken"
    assert "grew to 1 constraints" in asked and "<met>yes or no</met>" in asked


def test_where_there_is_a_rule_no_model_is_asked(tmp_path: Path) -> None:
    target = {"source": "self_made_space", "target": "3rd floor"}
    path = stored(tmp_path, "situation", entry(0, **target), entry(1, **target))
    made = builder(tmp_path, ("The 2nd floor.", "The 3rd floor."), types=("situation",), path=path)
    outcome = built(made)
    assert outcome.pairs[0].responses == ("The 3rd floor.", "The 2nd floor.")
    assert (outcome.counts["checked_by_rule"], outcome.counts["checked_by_model"]) == (2, 0)
    assert outcome.usage.calls == 2


@pytest.mark.parametrize(
    ("answers", "checks", "failure", "counts"),
    [
        (("a", "b"), (YES,), "all_meet", {"meets": 2}),
        (("a", "b"), (NO,), "all_fail", {"fails": 2}),
        (("a", "b"), ("I cannot say",), "all_unchecked", {"unchecked": 2}),
        ((CUT, CUT), (YES,), "all_unchecked", {"truncated": 2}),
        (("a", CUT), (YES,), "all_meet", {"meets": 1, "truncated": 1}),
        (("a", DOWN), (YES,), ENGINE_ERROR, {"meets": 1, ENGINE_ERROR: 1}),
        (("a", "b"), (YES, DOWN), ENGINE_ERROR, {"meets": 1, ENGINE_ERROR: 1}),
        (("a", "b"), (YES, "hm"), "all_meet", {"meets": 1, "unchecked": 1}),
    ],
)
def test_why_there_is_no_pair_is_said_and_counted(
    tmp_path: Path, answers: tuple[Answer, ...], checks: tuple[Answer, ...], failure: str,
    counts: dict[str, int],
) -> None:  # fmt: skip
    outcome = built(builder(tmp_path, answers, checks))
    assert (outcome.pairs, outcome.failure) == ((), failure)
    marks = {name: n for name, n in outcome.counts.items() if n and "checked_by" not in name}
    assert marks == counts


def test_what_was_in_the_way_is_kept(tmp_path: Path) -> None:
    assert built(builder(tmp_path, (DOWN,))).detail == "the server is down"
    unread = built(builder(tmp_path, ("a", "b"), ("I cannot say",)))
    assert "no </think>" in unread.detail


def test_a_text_that_comes_again_is_not_checked_again(tmp_path: Path) -> None:
    checker = Scripted(script=in_turn(YES, NO))
    made = builder(tmp_path, ("same", "same", "same", "other")).model_copy(
        update={"checker": checker}
    )
    outcome = built(made)
    assert outcome.pairs[0].responses == ("same", "other")
    assert len(checker.asked) == outcome.counts["checked_by_model"] == 2
    assert outcome.counts["meets"] == 3


def test_what_the_checker_failed_on_is_checked_when_it_comes_again(tmp_path: Path) -> None:
    outcome = built(builder(tmp_path, ("same", "same", "other"), (DOWN, YES, NO)))
    assert outcome.pairs[0].responses == ("same", "other")
    assert outcome.counts[ENGINE_ERROR] == 1


def test_an_empty_response_is_a_response(tmp_path: Path) -> None:
    outcome = built(builder(tmp_path, (DOWN, "", "Hello, sir."), (NO, YES)))
    assert outcome.pairs[0].responses == ("Hello, sir.", "")


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="temperature 0 all 8 responses are one"):
        builder(tmp_path, ("a",), samples=8, sampling=Sampling())
    with pytest.raises(ConfigError, match="samples"):
        builder(tmp_path, ("a",), samples=1)
    with pytest.raises(ConfigError, match="types"):
        builder(tmp_path, ("a",), types=())


def test_what_is_built_is_a_benchmark(tmp_path: Path) -> None:
    path = stored(tmp_path / "data", "style", *(entry(level) for level in range(4)))
    made = FollowBenchPairs(
        path=path, types=("style",), samples=2, engine=Scripted(script=in_turn("Hi.", "Yes, sir.")),
        checker=Scripted(script=checks_third_in_vain),
    )  # fmt: skip
    counts = build_to_folder(made, tmp_path / "out")
    assert (counts.items, counts.pairs, counts.failures["all_unchecked"]) == (3, 2, 1)
    assert counts.counts["checked_by_model"] == 6
    tasks = FollowBench(path=tmp_path / "out" / PAIRS_FILE).tasks()
    assert [task.id for task in tasks] == ["style-1-L1", "style-1-L2"]
    assert {task.responses for task in tasks} == {("Yes, sir.", "Hi.")}


def checks_third_in_vain(conversation: Conversation, sampling: Sampling) -> str:
    asked = conversation[-1].content
    return "hm" if "grew to 3" in asked else checks_politeness(conversation, sampling)


def test_building_goes_on_where_the_engine_failed(tmp_path: Path) -> None:
    path = stored(tmp_path / "data", "style", entry(0), entry(1), entry(2))
    down = True

    def script(conversation: Conversation, sampling: Sampling) -> Answer:
        if down and "politely, politely" in conversation[-1].content:
            return DOWN
        return "Yes, sir." if (sampling.seed or 0) % 2 else "Hi."

    made = FollowBenchPairs(
        path=path, types=("style",), engine=Scripted(script=script), samples=16,
        checker=Scripted(script=checks_politeness),
    )  # fmt: skip
    first = build_to_folder(made, tmp_path / "out")
    assert (first.pairs, first.failures[ENGINE_ERROR]) == (1, 1)
    down = False
    second = build_to_folder(made, tmp_path / "out")
    assert (second.pairs, second.failures[ENGINE_ERROR]) == (2, 0)
    lines = (tmp_path / "out" / PAIRS_FILE).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["subset"] for line in lines] == ["style/L1", "style/L2"]
