"""What a judge finally and plainly gave, by another way than the formats' own.

Characters are compared one by one and texts are split at literal tags; nothing is shared with
`j1sdk.formats.sections`, so that a mistake there is not repeated here.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

Value = Any
Interpret = Callable[[str], Value]


class Rules(NamedTuple):
    """How one format is read."""

    thoughts: tuple[str, ...] = ("think",)
    names: tuple[str, ...] = ()
    """Tagged parts; none for JSON and boxes."""
    high: float = 10.0


def folded(text: str, spaces: str = "") -> str:
    """Letters as they look: without white space, invisible characters, width and case."""
    kept = []
    for letter in text:
        if letter.isspace():
            kept.append(spaces)
            continue
        if unicodedata.category(letter) in ("Cf", "Mn"):
            continue
        kept.append(unicodedata.normalize("NFKC", letter).casefold())
    return "".join(kept)


def opened(text: str, *names: str) -> int:
    """How often a tag of one of these names is opened in a text, however it is spelt."""
    counts = []
    for plain in (folded(text), folded(text, spaces=" ")):
        pieces = [piece for name in names for piece in plain.split("<" + name.casefold())[1:]]
        counts.append(sum(not (piece[:1].isalnum() or piece[:1] == "_") for piece in pieces))
    return max(counts)


def answer_region(text: str, thoughts: tuple[str, ...]) -> str | None:
    """What follows the thinking; None where it did not end, or was opened again.

    All of it where no thinking was asked for, and none was begun.
    """
    if not thoughts and not opened(text, "think", "thinking"):
        return text
    thoughts = thoughts or ("think",)
    closing = f"</{thoughts[-1]}>"
    if closing not in text:
        return None
    region = text.split(closing)[-1]
    if opened(region, "think", "thinking", *thoughts):
        return None
    whole = text.split("<think>")
    return None if len(whole) > 1 and "</think>" not in whole[-1] else region


def verdict(held: str) -> Value:
    """[[A]] or [[B]], with white space inside."""
    held = held.strip()
    if not (held.startswith("[[") and held.endswith("]]")):
        return None
    letter = held[2:-2].strip()
    return letter if letter in ("A", "B") else None


def strength(held: str) -> Value:
    """[[A]] by 2."""
    for letter in "AB":
        number = held.strip().removeprefix(f"[[{letter}]] by ")
        if number != held.strip() and plain_digits(number) and len(number) < 4:
            return letter, int(number)
    return None


def plain_digits(text: str) -> bool:
    return bool(text) and all(letter in "0123456789" for letter in text)


def decimal(text: str) -> float | None:
    """A number as one writes it by hand."""
    whole, dot, rest = text.partition(".")
    if not plain_digits(whole) or (dot and not plain_digits(rest)):
        return None
    return float(text)


def number_of(high: float) -> Interpret:
    """A number, or a share of the highest one."""

    def interpret(held: str) -> Value:
        share = [part.strip() for part in held.split("/")]
        sign = -1.0 if share[0].startswith("-") else 1.0
        value = decimal(share[0][1:] if share[0][:1] in ("+", "-") else share[0])
        if value is None or len(share) > 2 or (len(share) == 2 and decimal(share[1]) != high):
            return None
        return sign * value

    return interpret


def boxed_numbers(count: int) -> Interpret:
    def interpret(held: str) -> Value:
        held = held.strip()
        if not (held.startswith("\\boxed{") and held.endswith("}")):
            return None
        numbers = [part.strip() for part in held[len("\\boxed{") : -1].split(",")]
        bare = [part[1:] if part[:1] in ("+", "-") else part for part in numbers]
        if len(numbers) != count or not all(map(plain_digits, bare)):
            return None
        return tuple(map(float, numbers))

    return interpret


def boxed_assistant(held: str) -> Value:
    words = held.strip()
    letters = [x for x in "AB" if words in (f"assistant {x}", f"Assistant {x}")]
    return letters[0] if letters else None


def all_agree(region: str, opening: str, closing: str, interpret: Interpret) -> Value:
    """What each piece between two marks says, if all say the same."""
    values = []
    for piece in region.split(opening)[1:]:
        held, ended, _ = piece.partition(closing)
        value = interpret(held) if ended else None
        if value is None:
            return None
        values.append(value)
    return values[0] if values and all(value == values[0] for value in values) else None


def last_one(text: str, opening: str, closing: str, interpret: Interpret) -> tuple[Value, str]:
    """What is held between the last two marks that hold anything, and what follows them."""
    pieces = text.split(opening)
    for place in range(len(pieces) - 1, 0, -1):
        held, ended, rest = pieces[place].partition(closing)
        if ended and (value := interpret(held)) is not None:
            return value, opening.join([rest, *pieces[place + 1 :]])
    return None, ""


def words(text: str) -> bool:
    """Whether anything is said; marks like the end of a turn, <|...|>, are not."""
    before, *pieces = text.split("<|")
    rests = [rest if ended and held.replace("_", "a").isalnum() else piece
             for piece in pieces for held, ended, rest in [piece.partition("|>")]]  # fmt: skip
    return any(letter.isalnum() for letter in before + "".join(rests))


def strict_tagged(text: str, rules: Rules, interpret: dict[str, Interpret]) -> list[Value] | None:
    """The value of each tagged part, where all were finally and plainly given."""
    region = answer_region(text, rules.thoughts)
    if region is None:
        return None
    values = []
    for name in rules.names:
        exact = len(region.split(f"<{name}>")) - 1
        if opened(region, name) != exact:
            return None
        values.append(all_agree(region, f"<{name}>", f"</{name}>", interpret[name]))
    end = max(region.rfind(f"</{name}>") + len(name) + 3 for name in rules.names)
    return None if None in values or words(region[end:]) else values


def lenient_tagged(text: str, rules: Rules, interpret: dict[str, Interpret]) -> list[Value] | None:
    """The last value of each tagged part, where no other attempt at it follows."""
    values = []
    for name in rules.names:
        value, rest = last_one(text, f"<{name}>", f"</{name}>", interpret[name])
        if value is None or opened(rest, name):
            return None
        values.append(value)
    return values


def lenient_bare(text: str, tail: Callable[[str], bool], marks: dict[str, Value]) -> Value:
    """The last of some literal texts, where nothing like them follows."""
    places = {mark: text.rfind(mark) for mark in marks if mark in text}
    if not places:
        return None
    last = max(places, key=lambda mark: (places[mark], len(mark)))
    rest = text[places[last] + len(last) :]
    return None if tail(rest) else marks[last]


def like_a_verdict(rest: str) -> bool:
    return "[[" in folded(rest) or opened(rest, "answer") > 0


def json_pairs(text: str) -> Value:
    """Scores and ranking of an answer in JSON, read as pairs so that no key can hide another."""
    try:
        pairs = json.loads(text, object_pairs_hook=lambda given: ("object", given))
    except (ValueError, RecursionError):
        return None
    if not (isinstance(pairs, tuple) and len(pairs[1]) == 2):
        return None
    keys = dict(pairs[1])
    scores, order = keys.get("scores"), keys.get("best_to_worst")
    if not isinstance(scores, tuple) or sorted(key for key, _ in scores[1]) != ["A", "B"]:
        return None
    given = dict(scores[1])
    if any(type(score) is not int for score in given.values()) or not isinstance(order, list):
        return None
    if sorted(map(str, order)) != ["A", "B"] or given[order[0]] < given[order[1]]:
        return None
    return given["A"], given["B"]


def numbered_answers(held: str) -> Value:
    """Lines such as `1: yes`, from 1 on."""
    answers: list[bool] = []
    for line in held.split("\n"):
        if not line.strip():
            continue
        number = str(len(answers) + 1)
        rest = line.strip().removeprefix(number)
        if rest == line.strip() or rest.lstrip()[:1] not in (":", ".", ")"):
            return None
        said = rest.lstrip()[1:].strip().casefold()
        if said not in ("yes", "no"):
            return None
        answers.append(said == "yes")
    return tuple(answers) or None
