"""Copies: what counts as one, what the near ones have in common, and how few are missed."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from j1sdk_data.quality.duplicates import (
    GRAM,
    Copies,
    find_duplicates,
    jaccard,
    joined,
    near_groups,
)
from j1sdk_data.quality.ngrams import character_grams
from j1sdk_data.quality.rows import Row

from j1sdk.types import JudgmentTask

WORDS = [
    "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=6))
    for number in range(400)
]


def row(name: str, prompt: Any, chosen: str, rejected: str) -> Row:
    return Row(name, JudgmentTask.from_pair(prompt, chosen, rejected, id=name))


def swapped(name: str, prompt: str, chosen: str, rejected: str) -> Row:
    task = JudgmentTask(prompt=prompt, responses=(rejected, chosen), preferred=1, id=name)
    return Row(name, task)


def test_nothing_is_twice_where_nothing_is() -> None:
    found = find_duplicates([row("a", "One?", "1", "2"), row("b", "Two?", "2", "1")])
    none = Copies(groups=0, rows=0)
    assert (found.prompts, found.pairs, found.contradictions) == (none, none, none)
    assert found.near_prompts == found.identical_responses == none


def test_prompts_are_the_same_whatever_their_spacing_and_case() -> None:
    rows = [row("a", "One?", "1", "2"), row("b", " one?\n", "3", "4"), row("c", "ONE?", "5", "6")]
    found = find_duplicates(rows)
    assert found.prompts == Copies(groups=1, rows=2, examples=(("a", "b", "c"),))
    assert found.pairs.groups == found.near_prompts.groups == 0


def test_a_pair_is_the_same_in_either_form_and_order_in_its_file() -> None:
    found = find_duplicates([row("a", "One?", "1", "2"), swapped("b", "One?", "1", "2")])
    assert found.pairs == Copies(groups=1, rows=1, examples=(("a", "b"),))
    assert found.contradictions.groups == 0


def test_a_pair_with_both_labels_is_a_contradiction() -> None:
    rows = [row("a", "One?", "1", "2"), row("b", "One?", "2", "1"), swapped("c", "One?", "1", "2"),
            row("d", "Two?", "1", "2")]  # fmt: skip
    found = find_duplicates(rows)
    assert found.contradictions == Copies(groups=1, rows=1, examples=(("a", "b", "c"),))
    assert found.pairs.rows == 1


def test_two_responses_of_one_text_are_named() -> None:
    found = find_duplicates([row("a", "One?", "1", "1"), row("b", "One?", "1", "1 ")])
    assert found.identical_responses == Copies(groups=1, rows=1, examples=(("a",),))
    assert found.contradictions.groups == 0


def test_what_has_no_label_has_a_prompt_all_the_same() -> None:
    alone = JudgmentTask(prompt="One?", responses=("1", "2"), id="a")
    three = JudgmentTask(prompt="One?", responses=("1", "2", "3"), preferred=0, id="b")
    found = find_duplicates([Row("a", alone), Row("b", three)])
    assert (found.prompts.rows, found.pairs.rows) == (1, 0)


def test_dialogues_are_compared_with_their_roles() -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    other = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert find_duplicates([row("a", said, "1", "2"), row("b", other, "1", "2")]).prompts.rows == 0


def sentence(generator: random.Random, length: int = 40) -> list[str]:
    return generator.choices(WORDS, k=length)


def edited(words: list[str], generator: random.Random, count: int) -> list[str]:
    changed = list(words)
    for place in generator.sample(range(len(words)), count):
        changed[place] = generator.choice(WORDS)
    return changed


def test_near_copies_are_found_and_others_are_not() -> None:
    generator = random.Random(0)
    first = sentence(generator)
    texts = [first, sentence(generator), edited(first, generator, 1), edited(first, generator, 20)]
    rows = [row(str(place), " ".join(words), "1", "2") for place, words in enumerate(texts)]
    found = find_duplicates(rows)
    assert found.near_prompts == Copies(groups=1, rows=1, examples=(("0", "2"),))
    assert find_duplicates(rows, threshold=1.0).near_prompts.groups == 0


def test_hardly_any_near_copy_is_missed_and_none_is_made_up() -> None:
    """Against comparing everything with everything, on copies of every degree of likeness."""
    generator = random.Random(1)
    texts = []
    for _ in range(30):
        words = sentence(generator)
        texts += [" ".join(edited(words, generator, count)) for count in (0, 1, 2, 3, 4)]
    texts = list(dict.fromkeys(texts))
    grams = [character_grams(text, GRAM) for text in texts]
    links = [
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if jaccard(grams[one], grams[other]) >= 0.8
    ]
    exact, found = joined(links), near_groups(texts, 0.8)
    together = {pair for group in exact for pair in combinations(group, 2)}
    told = {pair for group in found for pair in combinations(group, 2)}
    assert len(together) > 50
    assert told <= together
    assert len(told) >= 0.97 * len(together)


def test_a_thousand_prompts_of_one_template_are_compared_a_few_times_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0

    def counting(one: Any, other: Any) -> float:
        nonlocal compared
        compared += 1
        return jaccard(one, other)

    monkeypatch.setattr("j1sdk_data.quality.duplicates.jaccard", counting)
    generator = random.Random(2)
    frame = " ".join(sentence(generator, 30))
    texts = [f"{frame} {number:04}" for number in range(1000)]
    assert [len(group) for group in near_groups(texts, 0.8)] == [1000]
    assert compared < 20 * len(texts)  # of 499,500


def test_progress_is_told_up_to_the_last() -> None:
    told: list[tuple[int, int]] = []
    near_groups([f"text {number}" for number in range(250)], 0.8, lambda *step: told.append(step))
    assert told[0] == (0, 250) and told[-1] == (250, 250)
    assert told == sorted(told) and 50 < len(told) < 130


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_groups_are_what_links_connect(links: list[tuple[int, int]]) -> None:
    groups = joined(links)
    members = [place for group in groups for place in group]
    assert sorted(members) == sorted({place for link in links for place in link})
    for one, other in links:
        assert any(one in group and other in group for group in groups)


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_that_of_the_sets(one: str, other: str) -> None:
    def runs(text: str) -> set[str]:
        text = text or " "
        size = min(GRAM, len(text))
        return {text[start : start + size] for start in range(len(text) - size + 1)}

    first, second = runs(one), runs(other)
    exact = len(first & second) / len(first | second)
    assert jaccard(character_grams(one, GRAM), character_grams(other, GRAM)) == exact
