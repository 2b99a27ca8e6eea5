"""How well the label can be told without reading: by length, layout, stray tokens.

A logistic regression sees only the differences of some surface features, and is asked to name the
chosen response of pairs that it was not fitted to. Its control is the same with labels drawn by
lot. What it gets above the control, a judge in training can get without learning to judge.

Preference data have been found in which a stray token of the chat template marks a third of the
rejected responses (RM-R1, arXiv 2505.02387); such a mark is worth 15 points of accuracy here.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import log1p
from typing import Any

from j1sdk.component import Value
from j1sdk.errors import MissingExtraError
from j1sdk.evaluation.metrics import Rate, rate_of
from j1sdk.quoting import COMMON_SPECIAL_TOKENS
from j1sdk_data.quality.ngrams import normal, numpy
from j1sdk_data.quality.rows import Row

FOLDS = 5
FEWEST = 10
"""Prompts, below which nothing is said."""
PENALTY = 1.0
"""Of the squared weights, for features of unit size: an even race is called even."""

_TOKEN = re.compile("|".join(map(re.escape, sorted(COMMON_SPECIAL_TOKENS, key=len, reverse=True))))
_REFUSAL = re.compile(
    r"\W*(?:i'?m |i am )?(?:very |so |really )?(?:sorry|afraid|unable)\b"
    r"|\W*i (?:can'?t|can ?not|won'?t|will not|must decline|do not feel comfortable)\b"
    r"|\W*(?:as an|i'?m (?:just )?an) (?:ai|artificial)\b",
    re.IGNORECASE,
)
_INDENT = r"^[^\S\n]*"  # of one line: `^\s*` would run through all blank lines from each of them
_COUNTED: dict[str, re.Pattern[str]] = {
    "lines": re.compile(r"\n"),
    "turns": re.compile(r"^(?:human|user|assistant|system|ai)\s*:", re.IGNORECASE | re.MULTILINE),
    "template tokens": _TOKEN,
    "list items": re.compile(rf"{_INDENT}(?:[-*\u2022]|\d+[.)])\s", re.MULTILINE),
    "headings": re.compile(r"^#{1,6}\s", re.MULTILINE),
    "bold": re.compile(r"\*\*\S"),
    "code blocks": re.compile(rf"{_INDENT}```", re.MULTILINE),
    "questions": re.compile(r"\?"),
    "exclamations": re.compile(r"!"),
    "digits": re.compile(r"\d"),
}


def often(pattern: re.Pattern[str], text: str) -> float:
    """Logarithm of how often the pattern is in the text, plus one."""
    return log1p(len(pattern.findall(text)))


CUES: dict[str, Callable[[str], float]] = {
    "length": lambda text: log1p(len(text)),
    **{name: partial(often, pattern) for name, pattern in _COUNTED.items()},
    "refusal": lambda text: float(bool(_REFUSAL.match(text.replace("\u2019", "'")))),
    "unfinished": lambda text: float(bool(re.search(r"[\w,]\s*$", text))),
    "blank edges": lambda text: float(text != text.strip()),
}
"""Features of one response, most of them the logarithm of a count."""


class Cue(Value):
    """What one feature tells."""

    name: str
    differs: int
    """Pairs in which it is not the same on both sides."""
    more: Rate | None
    """Of these, the share in which the chosen response has more of it."""
    alone: float
    """The accuracy of naming the side that has more of it, or less, whichever is better; where it
    does not differ, half."""


class Cues(Value):
    """How well the label is told by all features together, and by each."""

    pairs: int
    accuracy: Rate | None
    """Of the regression, on pairs it was not fitted to; None where there are too few prompts."""
    control: Rate | None
    """The same with labels drawn by lot: about a half."""
    cues: tuple[Cue, ...]
    """The most telling first."""
    tokens: dict[str, tuple[int, int]]
    """Responses that have a token of a chat template: chosen, rejected."""

    @property
    def tells(self) -> bool:
        """Whether labels can be told without reading: better than by lot, beyond doubt."""
        if self.accuracy is None or self.control is None:
            return False
        return self.accuracy.low > max(0.5, self.control.value)


def find_cues(rows: Sequence[Row], seed: int = 0) -> Cues:
    """What the labelled pairs' surface tells of their labels. Raises MissingExtraError."""
    pairs = [row for row in rows if row.chosen is not None]
    np, generator = numpy(), random.Random(seed)
    differences = np.array([difference(row) for row in pairs]).reshape(len(pairs), len(CUES))
    prompts = [normal(row.prompt) for row in pairs]
    shown = np.array([generator.random() < 0.5 for _ in pairs], dtype=bool)
    lots = np.array([generator.random() < 0.5 for _ in pairs], dtype=bool)
    features = np.where(shown, 1.0, -1.0)[:, None] * differences
    enough = len(set(prompts)) >= FEWEST
    told = [
        told_unread(features, labels, prompts, seed) if enough else None for labels in (shown, lots)
    ]
    found = (cue(name, column) for name, column in zip(CUES, differences.T, strict=True))
    return Cues(
        pairs=len(pairs),
        accuracy=told[0],
        control=told[1],
        cues=tuple(sorted(found, key=lambda one: -one.alone)),
        tokens=stray_tokens(pairs),
    )


def difference(row: Row) -> list[float]:
    """Each feature of the chosen response less that of the rejected one."""
    return [measured(row.chosen or "") - measured(row.rejected or "") for measured in CUES.values()]


def told_unread(features: Any, labels: Any, prompts: Sequence[str], seed: int) -> Rate | None:
    """Accuracy of predicting labels (pairs,) from features (pairs, cues), all folds held out once.

    Pairs of one prompt are in one fold. A pair is shown in a random order, and the label says
    whether the chosen response came first; so a guess with nothing to go by is right half the time.
    """
    np = numpy()
    distinct = sorted(set(prompts))
    random.Random(seed).shuffle(distinct)
    fold_of = {prompt: place % FOLDS for place, prompt in enumerate(distinct)}
    folds = np.array([fold_of[prompt] for prompt in prompts])
    right = np.empty(len(prompts), dtype=bool)
    for fold in range(FOLDS):
        held_out = folds == fold
        weights = fit(features[~held_out], labels[~held_out])
        right[held_out] = (features[held_out] @ weights > 0) == labels[held_out]
    outcomes: dict[str, list[bool]] = {}
    for prompt, one in zip(prompts, right.tolist(), strict=True):
        outcomes.setdefault(prompt, []).append(one)
    return rate_of(list(outcomes.values()))


def fit(features: Any, labels: Any) -> Any:
    """Weights (cues,) of a logistic regression without intercept, by Newton's method."""
    np = numpy()
    try:
        from scipy.special import expit
    except ImportError as error:
        raise MissingExtraError("scipy", "eval") from error
    size = np.sqrt((features**2).mean(axis=0))
    scaled = features / np.where(size > 0, size, 1.0)
    weights, penalty = np.zeros(features.shape[1]), PENALTY * np.eye(features.shape[1])
    for _ in range(25):
        likely = expit(scaled @ weights)
        gradient = scaled.T @ (labels - likely) - PENALTY * weights
        curvature = (scaled.T * (likely * (1 - likely))) @ scaled + penalty
        step = np.linalg.solve(curvature, gradient)
        weights = weights + step
        if np.abs(step).max() < 1e-6:
            break
    return weights / np.where(size > 0, size, 1.0)


def cue(name: str, differences: Any) -> Cue:
    """What one feature tells, from its differences (pairs,)."""
    more, less = int((differences > 0).sum()), int((differences < 0).sum())
    ahead = abs(more - less) / max(len(differences), 1)
    return Cue(
        name=name,
        differs=more + less,
        more=rate_of([[True]] * more + [[False]] * less),
        alone=0.5 + ahead / 2,
    )


def stray_tokens(pairs: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Responses on each side that have each token of a chat template, the commonest first."""
    chosen = Counter(token for row in pairs for token in set(_TOKEN.findall(row.chosen or "")))
    rejected = Counter(token for row in pairs for token in set(_TOKEN.findall(row.rejected or "")))
    return {
        token: (chosen[token], rejected[token]) for token, _ in (chosen + rejected).most_common()
    }
