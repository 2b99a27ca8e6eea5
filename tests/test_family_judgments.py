"""What a judge learns from its own judgments: checked by hand, sample by sample."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from j1sdk_family.judgments import Judgments
from j1sdk_family.recorded import sampled
from j1sdk_family.reflections import CONNECTIVE, Reflections

from j1sdk.data import Demonstration
from j1sdk.data.jsonl import JsonLines
from j1sdk.engines.scripted import Scripted
from j1sdk.errors import ConfigError, DataError
from j1sdk.formats.pairwise_scores import PairwiseScores
from j1sdk.formats.pairwise_verdict import PairwiseVerdict
from j1sdk.formats.pointwise import Pointwise
from j1sdk.judge import JudgeRewardModel
from j1sdk.judging import judge_to_folder
from j1sdk.run import build_run, dump_run, read_run
from j1sdk.scaling.vote import Vote
from j1sdk.types import Judgment, JudgmentStatus, JudgmentTask, Message, Sampling

FORMAT = PairwiseVerdict()
SAMPLES = {
    # task: what was written of it as given, and swapped; R is right, W wrong, ? unreadable
    "easy": ("RRR", "RRR"),
    "mixed": ("RWR", "WWR"),
    "half": ("RRW", "WWW"),
    "hard": ("WWW", "W?W"),
    "broken": ("R?R", "RRR"),
}


def verdict(right: bool, order: tuple[int, int], number: int) -> str:
    """A judgment in the format, with a thought that says where it is from."""
    first = right == (order[0] == 0)
    scores = (1.0, 0.0) if first else (0.0, 1.0)
    return FORMAT.write(scores, f"{'right' if right else 'wrong'} thought {number} on {order}")


def judgment(task: str, order: tuple[int, int], kinds: str) -> Judgment:
    """One presentation judged as often as there are letters."""
    drawn = []
    for number, kind in enumerate(kinds):
        text = "no verdict" if kind == "?" else verdict(kind == "R", order, number)
        scores = None if kind == "?" else FORMAT.parse(text)
        status = JudgmentStatus.OK if scores else JudgmentStatus.UNPARSEABLE
        said = (Message(role="user", content="?"), Message(role="assistant", content=text))
        drawn.append(Judgment(task_id=task, order=order, scores=scores, status=status,
                              transcript=said))  # fmt: skip
    return drawn[0].model_copy(update={"samples": tuple(drawn)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record(tmp_path, SAMPLES)


def record(folder: Path, samples: dict[str, tuple[str, str]]) -> Path:
    """What `j1 judge` would have written, and its tasks beside it."""
    tasks = [
        {"prompt": f"q {name}", "chosen": "good", "rejected": "bad", "id": name} for name in samples
    ]
    made = [
        judgment(name, order, kinds)
        for name, both in samples.items()
        for order, kinds in zip(((0, 1), (1, 0)), both, strict=True)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    (folder / "judgments.jsonl").write_text("".join(f"{m.model_dump_json()}\n" for m in made))
    return folder


def source(folder: Path, **options: Any) -> Judgments:
    data = JsonLines(path=folder / "pairs.jsonl")
    return Judgments(path=folder, data=data, **options)


def kept(examples: Sequence[Any]) -> Counter[tuple[str, tuple[int, ...]]]:
    return Counter((one.shown.task.id, one.shown.order) for one in examples)


def learnt(source: Judgments) -> list[Demonstration]:
    return list(source.demonstrations(FORMAT, seed=0))


A, B = (0, 1), (1, 0)


def test_right_judgments_are_demonstrated_once_per_presentation(folder: Path) -> None:
    found = learnt(source(folder))
    assert kept(found) == {
        ("easy", A): 1, ("easy", B): 1, ("mixed", A): 1, ("mixed", B): 1, ("half", A): 1,
        ("broken", A): 1, ("broken", B): 1,
    }  # fmt: skip
    for one in found:
        assert FORMAT.parse(one.answer)[one.shown.gold or 0] == 1.0
        assert "right thought" in one.answer and str(one.shown.order) in one.answer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"drop_easy": True}, {("mixed", A): 1, ("mixed", B): 1, ("half", A): 1, ("broken", A): 1}),
        ({"both_orders": True}, {("easy", A): 1, ("easy", B): 1, ("mixed", A): 1, ("mixed", B): 1,
                                 ("broken", A): 1, ("broken", B): 1}),
        ({"both_orders": True, "drop_easy": True}, {("mixed", A): 1, ("mixed", B): 1,
                                                    ("broken", A): 1}),
        ({"per_presentation": 2, "drop_easy": True},
         {("mixed", A): 2, ("mixed", B): 1, ("half", A): 2, ("broken", A): 2}),
    ],
)  # fmt: skip
def test_filters_keep_what_they_say(
    options: dict[str, Any], expected: dict[Any, int], folder: Path
) -> None:
    assert kept(learnt(source(folder, **options))) == expected


def test_a_wrong_judgment_is_rejected_for_a_right_one_of_the_same_presentation(
    folder: Path,
) -> None:
    found = list(source(folder).preferences(FORMAT, seed=0))
    assert kept(found) == {("mixed", A): 1, ("mixed", B): 1, ("half", A): 1}
    for one in found:
        assert "right thought" in one.chosen and "wrong thought" in one.rejected
        assert all(str(one.shown.order) in text for text in (one.chosen, one.rejected))


def test_what_could_not_be_read_is_rejected_where_asked_for(folder: Path) -> None:
    found = list(source(folder, reject_unread=True).preferences(FORMAT, seed=0))
    assert kept(found)["broken", A] == 1
    assert [one.rejected for one in found if one.shown.task.id == "broken"] == ["no verdict"]


def test_several_preferences_of_a_presentation_are_different_ones(folder: Path) -> None:
    found = list(source(folder, per_presentation=9).preferences(FORMAT, seed=0))
    assert kept(found) == {("mixed", A): 2, ("mixed", B): 2, ("half", A): 2}
    assert len({(one.chosen, one.rejected, one.shown.order) for one in found}) == len(found)


def test_balance_leaves_as_many_wins_of_either_place(folder: Path) -> None:
    found = learnt(source(folder, balance=True))
    assert Counter(one.shown.gold for one in found) == {0: 3, 1: 3}
    assert [one.shown.task.id for one in found] == sorted(
        (one.shown.task.id for one in found), key=list(SAMPLES).index
    )


def test_the_choice_is_the_seeds_and_nothing_elses(folder: Path) -> None:
    def chosen(seed: int) -> list[str]:
        return [one.answer for one in source(folder).demonstrations(FORMAT, seed)]

    assert chosen(1) == chosen(1)
    assert len({tuple(chosen(seed)) for seed in range(6)}) > 1


def test_what_was_left_out_is_counted_and_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = source(folder, drop_easy=True, both_orders=True)
    assert options.account(FORMAT, "demonstrations", seed=0) == {
        "presentations": 10, "no right sample": 3, "not right in every order": 1,
        "all samples right": 3, "too many of one verdict": 0, "examples": 3,
    }  # fmt: skip
    assert options.account(FORMAT, "preferences", seed=0)["no wrong sample"] == 1
    learnt(options)
    assert "3 examples of 10 presentations; left out: no right sample 3, not right" in caplog.text


def test_nothing_left_to_learn_is_an_error_that_says_why(tmp_path: Path) -> None:
    hopeless = record(tmp_path, {"hard": ("WW", "W?")})
    with pytest.raises(DataError, match=r"0 examples of 2 presentations.*no right sample 2"):
        learnt(source(hopeless))


def test_hinted_judgments_help_where_no_sample_was_right(folder: Path) -> None:
    hinted = record(folder / "hinted", {"hard": ("R", "W"), "easy": ("R", "R")})
    found = kept(learnt(source(folder, hinted=hinted, drop_easy=True)))
    assert found["hard", A] == 1 and found["hard", B] == 0 and found["easy", A] == 0
    assert {task.id for task in source(folder).unsolved()} == {"half", "hard"}


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no judgments are there"):
        Judgments(path=tmp_path / "nowhere", data=JsonLines(path=folder / "pairs.jsonl")).load()
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "p", "chosen": "a", "rejected": "b", "id": "unknown"}')
    with pytest.raises(DataError, match="has no judgment of these tasks"):
        Judgments(path=folder, data=JsonLines(path=other)).load()


def test_another_format_than_the_one_judged_with_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="none in the format pairwise-scores"):
        list(source(folder).demonstrations(PairwiseScores(), seed=0))


def test_a_task_without_gold_is_refused(folder: Path) -> None:
    (folder / "pairs.jsonl").write_text('{"prompt": "p", "responses": ["a", "b"], "id": "easy"}')
    with pytest.raises(DataError, match="task easy has no preferred response"):
        learnt(source(folder))


def test_a_judgment_without_samples_is_its_own_one(tmp_path: Path) -> None:
    task = JudgmentTask.from_pair("p", chosen="a", rejected="b", id="t")
    single = judgment("t", A, "R").model_copy(update={"samples": ()})
    (found,) = sampled(task, [single])
    assert (len(found.right), found.wrong, found.unread) == (1, [], [])


def test_scores_of_single_responses_are_right_by_the_other_ones_mean(tmp_path: Path) -> None:
    form = Pointwise()

    def scored(response: int, *scores: float) -> Judgment:
        drawn = [
            Judgment(task_id="t", order=(response,), scores=(score,), status=JudgmentStatus.OK,
                     transcript=(Message(role="assistant", content=form.write((score,))),))
            for score in scores
        ]  # fmt: skip
        return drawn[0].model_copy(update={"samples": tuple(drawn)})

    task = JudgmentTask.from_pair("p", chosen="a", rejected="b", id="t")
    better, worse = sampled(task, [scored(0, 9.0, 3.0, 6.0), scored(1, 2.0, 6.0, 7.0)])
    assert [form.parse(text) for text in better.right] == [(9.0,), (6.0,)]  # the mean is 5
    assert [form.parse(text) for text in worse.right] == [(2.0,)]  # the mean is 6: level is wrong
    assert [form.parse(text) for text in worse.wrong] == [(6.0,), (7.0,)]


def test_a_judge_that_votes_records_what_this_reads(tmp_path: Path) -> None:
    """From the real judge, not from judgments made up here."""
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "p", "chosen": "a", "rejected": "b", "id": "one"}')
    answers = tuple(FORMAT.write(scores) for scores in ((1.0, 0.0), (0.0, 1.0)))
    judge = JudgeRewardModel(
        format=FORMAT, engine=Scripted(answers=answers * 2), scaling=Vote(n=2),
        sampling=Sampling(temperature=1.0),
    )  # fmt: skip
    data = JsonLines(path=pairs)
    judge_to_folder(judge, data.load(), tmp_path / "out")
    found = list(Judgments(path=tmp_path / "out", data=data).preferences(FORMAT, seed=0))
    assert kept(found) == {("one", A): 1, ("one", B): 1}
    assert [(one.chosen, one.rejected) for one in found] == [answers, answers[::-1]]


def test_it_is_named_in_a_run_file_with_paths_relative_to_it(folder: Path) -> None:
    text = (
        '[judge]\nformat = "pairwise-verdict"\nengine = "scripted"\n'
        '[data]\nname = "judgments"\npath = "."\nhinted = "hinted"\n'
        'data = { name = "jsonl", path = "pairs.jsonl" }\n'
    )
    (folder / "run.toml").write_text(text)
    run = read_run(folder / "run.toml")
    assert run.data == source(folder, hinted=folder / "hinted")
    import tomllib

    assert build_run(tomllib.loads(dump_run(run))) == run


def reflected(folder: Path, **options: Any) -> list[Demonstration]:
    data = JsonLines(path=folder / "pairs.jsonl")
    found = Reflections(path=folder, data=data, **options)
    return list(found.demonstrations(FORMAT, seed=0))


def test_second_thoughts_confirm_as_often_as_they_correct(folder: Path) -> None:
    found = reflected(folder)
    first = Counter(one.answer.split(CONNECTIVE)[0].split()[1] for one in found)
    assert first == {"right": 3, "wrong": 3}
    for one in found:
        assert one.answer.count(CONNECTIVE) == 1 and FORMAT.adheres(one.answer)
        assert one.answer.split(CONNECTIVE)[1].startswith("right thought")
        assert FORMAT.parse(one.answer)[one.shown.gold or 0] == 1.0


def test_a_splice_is_the_two_thoughts_and_the_words_between(tmp_path: Path) -> None:
    only = record(tmp_path, {"t": ("RW", "RW"), "u": ("RR", "RR")})
    answers = {one.answer for one in reflected(only, connective=" Hmm. ")}
    assert (
        "<think>\nwrong thought 1 on (0, 1) Hmm. right thought 0 on (0, 1)\n</think>\n"
        "<answer>[[A]]</answer>"
    ) in answers
    assert (
        "<think>\nright thought 0 on (1, 0) Hmm. right thought 1 on (1, 0)\n</think>\n"
        "<answer>[[B]]</answer>"
    ) in answers
    assert len(answers) == 4


def test_balance_is_kept_in_every_corner(folder: Path) -> None:
    found = reflected(folder, balance=True)
    kinds = Counter(("right" in one.answer[:20], one.shown.gold) for one in found)
    assert len(kinds) == 4 and len(set(kinds.values())) == 1


def test_second_thoughts_of_one_kind_alone_teach_to_flip_and_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too many of one kind 2"):
        reflected(record(tmp_path, {"t": ("RW", "RW")}))


def test_a_plan_is_kept_and_its_execution_reflected_on(tmp_path: Path) -> None:
    planned = PairwiseVerdict(thinking="plan")
    from j1sdk_family.reflections import splice

    first, second = (planned.write((1.0, 0.0), thought) for thought in ("one", "two"))
    first = first.replace("<plan>\n", "<plan>\nlook closely")
    spliced = splice(first, second, " Hmm. ", planned)
    assert "look closely" in spliced and "one Hmm. two" in spliced and planned.adheres(spliced)


def test_a_format_that_marks_no_thinking_cannot_be_reflected_on(folder: Path) -> None:
    class Bare(PairwiseVerdict):
        @property
        def thinking_sections(self) -> tuple[tuple[str, str], ...]:
            return ()

    data = JsonLines(path=folder / "pairs.jsonl")
    with pytest.raises(ConfigError, match="marks no thinking"):
        list(Reflections(path=folder, data=data).demonstrations(Bare(), seed=0))
