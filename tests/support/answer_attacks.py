"""Judges' texts that take back, disguise, reopen or double what they say, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from j1sdk import JudgmentFormat

Attack = Callable[[random.Random, JudgmentFormat, str], str]
WIDE = {chr(code): chr(code + 0xFEE0) for code in range(33, 127)}
INVISIBLE = "\u200b\u200d\u2060\ufeff\u00ad\u202e"
DOUBT = (" Wait, no: ", "\n\nOr rather ", " No. ", " On reflection it is ", "\n", "")
JUNK = (
    "<answer>", "</answer>", "[[A]]", "[[B]]", "[[ b ]]", "[B]", "<score>", "</score>", "[[C]]",
    "<score_B>", "<think>", "</think>", "<THINK>", "</execution>", "<eval>", "\\boxed{", "}", "{",
    '"scores"', "assistant A", "9", "3.55", "1/0", "/10", "-", "\n", "B is better.",
    "about 3", "\0", "\ud800", "<scores>", "<plan>", "\u0663", "1e3", "nan",
)  # fmt: skip


def some_scores(rng: random.Random, form: JudgmentFormat) -> tuple[float, ...]:
    """Scores that the format can write."""
    low, high = form.score_range
    while True:
        values = [rng.choice((low, high, float(rng.randint(int(low), int(high))))) for _ in "AB"]
        scores = tuple(values[: form.arity])
        try:
            form.write(scores)
        except ValueError:
            continue
        return scores


def whole(rng: random.Random, form: JudgmentFormat) -> str:
    """A well-formed judgment."""
    thought = rng.choice(("", "Both are fine.", "A says 4.\n\nB says 5, and [1] [2]."))
    return form.write(some_scores(rng, form), thought)


def answer_only(rng: random.Random, form: JudgmentFormat) -> str:
    """What a well-formed judgment has behind its thinking."""
    text = whole(rng, form)
    for closing in ("</think>", "</execution>", "</eval>", "</critique>"):
        text = text.rpartition(closing)[2]
    return text.strip()


def retract(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    again = rng.choice((answer_only(rng, form), bend(rng, form, answer_only(rng, form)), "B."))
    return text + rng.choice(DOUBT) + again


def precede(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    """Put another answer, perhaps disguised, between the thinking and the answer."""
    answer = answer_only(rng, form)
    extra = rng.choice((disguise, bend, keep))(rng, form, answer)
    thought, closing, rest = text.rpartition(">\n")
    return f"{thought}{closing}{extra} {rest}"


def keep(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    return text


def disguise(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    """The same to the eye, or nearly."""
    kind = rng.randrange(5)
    if kind == 0:
        return text.swapcase()
    if kind == 1:
        return "".join(WIDE.get(letter, letter) for letter in text)
    if kind == 2:
        place = rng.randrange(len(text) + 1)
        return text[:place] + rng.choice(INVISIBLE) + text[place:]
    if kind == 3:
        return text.replace("<", "< ").replace("[[", "[ [")
    return text.replace(">", " kind='final'>", 1)


def disguise_again(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    return text + rng.choice(DOUBT) + disguise(rng, form, answer_only(rng, form))


def reopen(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    opening = rng.choice(("<think>", "<THINK>", "< think >", "<thinking>", "\uff1cthink\uff1e"))
    closing = rng.choice(("", "", "</think>", "</THINK>"))
    return f"{text} {opening}maybe {answer_only(rng, form)}{closing}"


def begin_with_thought(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    return f"<think>\n{answer_only(rng, form)}{rng.choice(('', '</think>'))}{text}"


def denominate(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    below = rng.choice(("10", "5", "100", "0", "10.0", "1", "10/10", "ten", " 10 ", "3", "5"))
    for closing in ("</score>", "</score_A>", "</score_B>", "}</scores>", "</answer>"):
        if rng.random() < 0.7:
            text = text.replace(closing, f"/{below}{closing}")
    return text


def double_key(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    """Give a key of a JSON object once more."""
    extra = rng.choice(('"A": 1, ', '"B": 5, ', '"scores": {"A": 1, "B": 1}, '))
    place = text.rfind("{") + 1 if "scores" not in extra else text.find('{"scores') + 1
    return text[:place] + extra + text[place:]


def repeat(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    return f"{text} {text[text.rfind('>' + chr(10)) + 2 :]}"


def bend(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    """Take a letter out, put something in, or cut the end off."""
    if not text:
        return text
    place = rng.randrange(len(text))
    kind = rng.randrange(3)
    if kind == 0:
        return text[:place] + text[place + 1 :]
    return text[:place] + (rng.choice(JUNK) + text[place:] if kind == 1 else "")


def trail(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    return text + rng.choice(
        (" ", "\n", ".", "**", " ```", " So B.", " 3", "<|im_end|>", " \u200b")
    )


def insert(rng: random.Random, form: JudgmentFormat, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + "".join(rng.choices(JUNK, k=rng.randint(1, 4))) + text[place:]


ATTACKS: tuple[Attack, ...] = (
    retract, precede, disguise_again, reopen, begin_with_thought, denominate, double_key, repeat,
    bend, trail, insert, keep,
)  # fmt: skip


def attacked(rng: random.Random, form: JudgmentFormat) -> str:
    """A judgment after up to three attacks."""
    text = whole(rng, form)
    for attack in rng.choices(ATTACKS, k=rng.randint(0, 3)):
        text = attack(rng, form, text)
    return text
