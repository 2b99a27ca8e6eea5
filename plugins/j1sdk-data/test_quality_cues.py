"""Cues: a leak is seen, its clean twin is clean, and the control stays at a half."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log1p
from time import process_time

import pytest
from j1sdk_data.quality.balance import weigh
from j1sdk_data.quality.cues import CUES, FEWEST, Cues, find_cues, fit
from j1sdk_data.quality.rows import Row

from j1sdk.types import JudgmentTask

WORDS = ["the", "hen", "lays", "eggs", "in", "May", "while", "days", "are", "long", "so", "that"]
Change = Callable[[str, str, random.Random], tuple[str, str]]


def clean(chosen: str, rejected: str, generator: random.Random) -> tuple[str, str]:
    return chosen, rejected


def token_in_a_third(chosen: str, rejected: str, generator: random.Random) -> tuple[str, str]:
    """The rejected response ends with a token of the template, in three pairs of ten."""
    return chosen, rejected + "<|im_end|>" * (generator.random() < 0.3)


def rows(change: Change = clean, count: int = 600, seed: int = 0) -> list[Row]:
    """Pairs whose two sides are alike in everything but what `change` does to them."""
    generator = random.Random(seed)
    made = []
    for number in range(count):
        one, two = (
            " ".join(generator.choices(WORDS, k=generator.randint(5, 60))) for _ in range(2)
        )
        chosen, rejected = change(one, two, random.Random(f"{seed} {number}"))
        task = JudgmentTask.from_pair(f"Question {number}?", chosen, rejected, id=str(number))
        made.append(Row(task.id, task))
    return made


def test_a_stray_token_in_a_third_of_the_rejected_responses_is_seen() -> None:
    """It tells 30% of the labels and leaves the others to chance: 0.3 + 0.7 / 2."""
    leaky, twin = find_cues(rows(token_in_a_third)), find_cues(rows(clean))
    assert leaky.accuracy and leaky.control and twin.accuracy and twin.control
    assert leaky.tells and not twin.tells
    assert leaky.accuracy.value == pytest.approx(0.65, abs=0.05)
    assert leaky.accuracy.low > twin.accuracy.high
    for even in (leaky.control, twin.control, twin.accuracy):
        assert even.value == pytest.approx(0.5, abs=0.06)
    best = leaky.cues[0]
    assert best.name == "template tokens" and best.more and best.more.value == 0.0
    assert best.differs == pytest.approx(180, abs=40)
    assert best.alone == 0.5 + best.differs / 1200
    assert leaky.tokens == {"<|im_end|>": (0, best.differs)} and twin.tokens == {}


CHANGES: dict[str, Change] = {
    "length": lambda a, b, g: (f"{a} {a}", b),
    "lines": lambda a, b, g: (a.replace(" so ", "\n"), b),
    "turns": lambda a, b, g: (a, f"{b}\n\nHuman: and then?"),
    "template tokens": lambda a, b, g: (a, f"<s>{b}"),
    "list items": lambda a, b, g: (f"- {a}", b),
    "headings": lambda a, b, g: (a, f"## {b}"),
    "bold": lambda a, b, g: (f"**{a}**", b),
    "code blocks": lambda a, b, g: (a, f"```{b}```"),
    "questions": lambda a, b, g: (f"{a}?", b),
    "exclamations": lambda a, b, g: (a, f"{b}!"),
    "digits": lambda a, b, g: (f"{a} 7.", b),
    "refusal": lambda a, b, g: (f"I'm sorry, {a}", b),
    "unfinished": lambda a, b, g: (f"{a}.", b),
    "blank edges": lambda a, b, g: (a, f"{b}\n"),
}


@pytest.mark.parametrize("name", CUES)
def test_every_cue_is_seen_by_itself(name: str) -> None:
    found = find_cues(rows(CHANGES[name], count=200))
    assert found.tells and found.accuracy and found.accuracy.value > 0.7
    (told,) = [one for one in found.cues if one.name == name]
    assert told.more and told.alone > 0.7
    assert told.more.high < 0.5 or told.more.low > 0.5


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I'm sorry, but no.", True), ("I\u2019m so sorry", True), ("Sorry, I can't.", True),
        ("I cannot help with that.", True), ("I can\u2019t", True), ("As an AI model, I", True),
        ("I am unable to", True), ("I won't do that.", True), ("I'm afraid not", True),
        ("I can help.", False), ("He said: I'm sorry.", False), ("Sorrow is", False), ("", False),
        ("I am happy", False), ("As an aid", False),
    ],
)  # fmt: skip
def test_a_refusal_is_known_by_its_first_words(text: str, refuses: bool) -> None:
    assert bool(CUES["refusal"](text)) == refuses


def test_a_label_that_only_reading_tells_is_not_told() -> None:
    """The responses are a right and a wrong word of the same length and make."""

    def worded(chosen: str, rejected: str, generator: random.Random) -> tuple[str, str]:
        return "It is hot.", "It is wet."

    found = find_cues(rows(worded))
    assert not found.tells
    assert all(one.differs == 0 and one.alone == 0.5 and one.more is None for one in found.cues)


def test_the_form_of_the_file_makes_no_difference() -> None:
    named = rows(token_in_a_third, count=100)
    placed = [
        Row(one.name, JudgmentTask(
            prompt=one.task.prompt, responses=one.task.responses[::-1], preferred=1, id=one.name,
        ))
        for one in named
    ]  # fmt: skip
    assert find_cues(named) == find_cues(placed)


def test_pairs_of_one_prompt_are_never_on_both_sides_of_a_fold() -> None:
    """Each prompt has its own mark of the better side; who sees some of its pairs can tell it."""
    generator = random.Random(0)
    made = []
    for prompt in range(60):
        better, worse = ("a. b. c.", "a! b! c!")[:: 1 if generator.random() < 0.5 else -1]
        for copy in range(10):
            task = JudgmentTask.from_pair(
                f"Question {prompt}?", better, worse, id=f"{prompt}-{copy}"
            )
            made.append(Row(task.id, task))
    found = find_cues(made)
    assert found.accuracy and found.accuracy.low < 0.5 < found.accuracy.high
    wide = found.accuracy.high - found.accuracy.low
    assert wide > 0.2  # the interval is that of 60 prompts, not of 600 pairs


def test_of_few_prompts_nothing_is_said() -> None:
    few = find_cues(rows(CHANGES["length"], count=FEWEST - 1))
    assert few.accuracy is few.control is None and not few.tells
    assert few.cues[0].name == "length"
    assert find_cues(rows(CHANGES["length"], count=FEWEST)).accuracy
    assert find_cues([]).pairs == 0


def test_the_same_rows_give_the_same_figures() -> None:
    first, again = (find_cues(rows(count=100)) for _ in range(2))
    assert first == again == Cues.model_validate_json(first.model_dump_json())
    assert find_cues(rows(count=100), seed=1) != first


def test_the_weights_are_those_of_the_likeliest_regression() -> None:
    """Against scipy's general minimizer, on the same penalized likelihood."""
    import numpy as np
    from scipy.optimize import minimize

    generator = np.random.default_rng(0)
    features = generator.normal(size=(200, 3)) * [1.0, 5.0, 0.0]
    labels = features[:, 0] + generator.normal(size=200) > 0

    def loss(weights: np.ndarray) -> float:
        margins = scaled @ weights * np.where(labels, 1, -1)
        return float(np.logaddexp(0, -margins).sum() + 0.5 * (weights**2).sum())

    size = np.sqrt((features**2).mean(axis=0))
    scaled = features / np.where(size > 0, size, 1.0)
    best = minimize(loss, np.zeros(3)).x / np.where(size > 0, size, 1.0)
    assert fit(features, labels) == pytest.approx(best, abs=1e-4)


def test_a_perfect_cue_has_finite_weights() -> None:
    import numpy as np

    features = np.where(np.arange(50) % 2, 1.0, -1.0)[:, None]
    (weight,) = fit(features, features[:, 0] > 0)
    assert 0 < weight < 10


def test_the_balance_counts_places_and_lengths_by_subset() -> None:
    def placed(name: str, responses: tuple[str, str], preferred: int, subset: str | None) -> Row:
        task = JudgmentTask(
            prompt="p", responses=responses, preferred=preferred, subset=subset, id=name
        )
        return Row(name, task)

    found = weigh([
        placed("a", ("long", "s"), 0, "x"), placed("b", ("long", "s"), 1, "x"),
        placed("c", ("abc", "s"), 0, None), placed("d", ("same", "size"), 1, None),
        Row("e", JudgmentTask(prompt="p", responses=("no", "label"))),
    ])  # fmt: skip
    assert (found.rows, found.pairs, found.first, found.named) == (5, 4, 2, False)
    assert found.first_share and found.first_share.value == 0.5
    assert (found.lengths.longer, found.lengths.shorter, found.lengths.equal) == (2, 1, 1)
    assert found.lengths.longer_share and found.lengths.longer_share.value == 2 / 3
    assert (found.lengths.chosen, found.lengths.rejected) == (3.0, 2.5)
    assert {name: one.pairs for name, one in found.subsets.items()} == {"x": 2, "no subset": 2}
    assert found.subsets["x"].longer_share and found.subsets["x"].longer_share.value == 0.5
    assert weigh(rows(count=3)).named
    assert weigh([]).lengths.longer_share is weigh([]).first_share is None


@pytest.mark.parametrize("piece", ["\n", " \n"])
def test_a_response_of_megabytes_is_measured_in_linear_time(piece: str) -> None:
    """Ten times the text takes some ten times as long, not a hundred times."""
    small, large = (piece * (size // len(piece)) for size in (500_000, 5_000_000))
    for name, measured in CUES.items():
        assert seconds(measured, large) < 30 * seconds(measured, small) + 0.02, name


def seconds(measured: Callable[[str], float], text: str) -> float:
    """Of the processor: others' work does not count."""
    start = process_time()
    measured(text)
    return process_time() - start


def test_blank_lines_before_a_list_do_not_change_what_is_counted() -> None:
    spaced = "\n\n\t- one\n\n   \n  2. two\n\n```py\n  ```\n"
    assert CUES["list items"](spaced) == log1p(2)
    assert CUES["code blocks"](spaced) == log1p(2)
