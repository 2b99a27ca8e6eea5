"""The shapes of preference data: which columns a record has, and how they become a task.

`SHAPES` says where responses and label are, `PROMPTS` where the prompt is, unless the responses
are dialogues that begin with it. To read another shape, add a line to one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError

from j1sdk.data import labels
from j1sdk.data.dialogues import Dialogue, Side, dialogue, has_prompt, prompt_of, side, sides, split
from j1sdk.data.labels import Gold
from j1sdk.errors import DataError, did_you_mean, explain
from j1sdk.messages import Message
from j1sdk.types import JudgmentTask

Row = Mapping[str, Any]
FieldNames = dict[str, str | tuple[str, ...]]
"""Which column holds what a shape calls by another name; of `responses`, maybe several columns."""


class Answers(NamedTuple):
    """The responses of a record, and what its label says of them."""

    responses: list[Side]
    gold: Gold


class Shape(NamedTuple):
    """The columns of one shape, and how they are read; `read` raises DataError."""

    columns: tuple[str, ...]
    read: Callable[[Row], Answers]


def _listed(row: Row) -> Answers:
    """`responses`, and maybe `preferred`."""
    given = row["responses"]
    if not isinstance(given, list | tuple) or not given:
        raise DataError(f"responses: expected a list of them, got {given!r:.40}")
    if "preferred" not in row and (label := _misnamed(row)):
        raise DataError(
            f"`{label}` beside `responses` is not read: the index is `preferred`,"
            f' from 0; or say fields = {{ preferred = "{label}" }}'
        )
    gold = _labelled("preferred", labels.among, row.get("preferred"), len(given))
    return Answers([side(one, f"responses.{place}") for place, one in enumerate(given)], gold)


def _misnamed(row: Row) -> str | None:
    """A column that is meant to be the label: so named, or nearly `preferred`."""
    meant = [name for name in LABELS if row.get(name) is not None]
    return next(iter([*meant, *get_close_matches("preferred", row, cutoff=0.75)]), None)


def _named(better: str, worse: str, row: Row) -> Answers:
    """Columns that say which is better; each may hold several responses."""
    if row.get("responses") is not None:
        raise DataError(f'give "{better}" and "{worse}", or "responses": there are both')
    good, bad = sides(row[better], better), sides(row[worse], worse)
    if len(good) > 1:
        return Answers([*good, *bad], Gold(None, (1.0,) * len(good) + (0.0,) * len(bad)))
    return Answers([*good, *bad], Gold(0, _scores(row) if len(bad) == 1 else None))


def _scores(row: Row) -> tuple[float, ...] | None:
    """The scores beside `chosen` and `rejected`, where they say the same as the names."""
    for names in (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score")):
        found = [row.get(name) for name in names]
        good, bad = (one if isinstance(one, int | float) else None for one in found)
        if good is not None and bad is not None and good > bad:
            return float(good), float(bad)
    return None


def _continued(row: Row) -> Answers:
    """ms-swift: a dialogue with the better response, and the worse for its end."""
    messages = dialogue(row["messages"] or (), "messages")
    if len(messages) < 2 or messages[-1].role != "assistant":
        raise DataError("messages: expected a dialogue that ends with an assistant turn")
    worse = [(*messages[:-1], _assistant(one)) for one in _texts(row, "rejected_response")]
    return Answers([messages, *worse], Gold(0))


def _assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


def _user(text: str) -> Message:
    return Message(role="user", content=text)


def _texts(row: Row, column: str) -> list[str]:
    value = row[column]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
        raise DataError(f"{column}: expected text, or a list of texts, got {value!r:.40}")
    return list(texts)


def _better_first(row: Row) -> Answers:
    """Alpaca-like: `output` holds the better response, then the worse."""
    if not isinstance(row["output"], list | tuple) or len(row["output"]) != 2:
        raise DataError("output: expected a list of two, the better response first")
    return Answers(sides(row["output"], "output"), Gold(0))


def _ranked(row: Row) -> Answers:
    """NeMo-RL: completions with a rank, of which 0 is the best."""
    given = row["completions"]
    if not isinstance(given, list | tuple) or not all(
        isinstance(one, Mapping) and {"rank", "completion"} <= one.keys() for one in given
    ):
        raise DataError("completions: expected objects with `completion` and `rank`")
    ranks = [_labelled("completions.rank", labels.whole, one["rank"]) for one in given]
    best = [place for place, rank in enumerate(ranks) if rank == min(ranks)]
    preferred = best[0] if len(best) == 1 else None
    ratings = tuple(float(-rank) for rank in ranks)
    return Answers(
        [side(one["completion"], "completions") for one in given], Gold(preferred, ratings)
    )


def _two(first: str, second: str, label: str, read: Callable[[Any], Gold], row: Row) -> Answers:
    """Two columns, and a label in a code of its own."""
    given = [side(row[name], name) for name in (first, second)]
    return Answers(given, _labelled(label, read, row[label]))


def _kaggle(row: Row) -> Answers:
    """LMSYS as Kaggle has it: turns as JSON lists, and a column for each outcome."""
    names = ("winner_model_a", "winner_model_b", "winner_tie")
    gold = _labelled(names[0], labels.flags, *(row.get(name) for name in names))
    asked = _turns(row, "prompt")
    return Answers(
        [_woven(asked, _turns(row, name)) for name in ("response_a", "response_b")], gold
    )


def _turns(row: Row, column: str) -> list[str]:
    value = row.get(column)
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        value = [value]
    value = value if isinstance(value, list) else [value]
    return ["" if one is None else str(one) for one in value]


def _woven(asked: list[str], answered: list[str]) -> Dialogue:
    if not asked or len(asked) != len(answered):
        raise DataError(f"{len(asked)} turns in prompt, and {len(answered)} responses to them")
    pairs = zip(asked, answered, strict=True)
    return tuple(
        message for question, answer in pairs for message in (_user(question), _assistant(answer))
    )


def _labelled(column: str, read: Callable[..., Any], *values: Any) -> Any:
    try:
        return read(*values)
    except DataError as error:
        raise DataError(f"{column}: {error}") from None


def _pair(better: str, worse: str) -> Shape:
    return Shape((better, worse), partial(_named, better, worse))


def _either(first: str, second: str, label: str, read: Callable[[Any], Gold]) -> Shape:
    return Shape((first, second, label), partial(_two, first, second, label, read))


SHAPES = (
    _pair("chosen", "rejected"),  # TRL, UltraFeedback, HH-RLHF, ShareGPT, orca
    Shape(("responses",), _listed),
    _pair("chosen_response", "rejected_response"),
    _pair("messages", "rejected_messages"),  # ms-swift
    Shape(("messages", "rejected_response"), _continued),
    Shape(("completions",), _ranked),
    Shape(("output",), _better_first),
    _either("conversation_a", "conversation_b", "winner", labels.winner),  # LMSYS
    _either("response_a", "response_b", "winner", labels.winner),
    _either("response_1", "response_2", "winner", labels.winner),  # PPE
    _either("response_A", "response_B", "label", labels.winner),  # JudgeBench
    Shape(("response_a", "response_b", "winner_model_a", "winner_model_b"), _kaggle),
    _either("response1", "response2", "overall_preference", labels.signed),  # HelpSteer3
    _either("response_1", "response_2", "preference_strength", labels.signed),  # HelpSteer2
    _either("response1", "response2", "label", labels.number),
    _either("response_1", "response_2", "label", labels.number),
    _either("output_1", "output_2", "label", labels.number),  # LLMBar, OffsetBias
    _either("output_1", "output_2", "preference", labels.number),  # AlpacaFarm
    _either("response_0", "response_1", "better_response_id", labels.place),  # PKU-SafeRLHF
    _either("human_ref_A", "human_ref_B", "labels", labels.first_wins),  # SHP
)
LABELS = ("label", "labels", "winner", "preference", "choice", "better", "best", "gold")
"""Labels of other shapes, which say nothing that is certain beside `responses`."""


def _instruction(row: Row) -> Dialogue:
    """Alpaca-like: turns before, if any, an instruction, and its input on the next line."""
    past = [_woven([asked], [answered]) for asked, answered in row.get("history") or ()]
    *before, last = prompt_of(row["instruction"], "instruction")
    added = row.get("input")
    if isinstance(added, str) and added.strip():
        last = _user(f"{last.content}\n{added}")
    return (*(message for pair in past for message in pair), *before, last)


def _column(name: str) -> Callable[[Row], Dialogue]:
    return lambda row: prompt_of(row[name], name)


PROMPTS: dict[str, Callable[[Row], Dialogue]] = {
    "prompt": _column("prompt"),
    "instruction": _instruction,
    "conversations": _column("conversations"),  # ShareGPT
    "question": _column("question"),  # orca
    "context": _column("context"),  # HelpSteer3, NeMo-RL
    "query": _column("query"),
    "input": _column("input"),  # LLMBar
    "history": _column("history"),  # SHP
}
"""Columns of the prompt, and how each is read. The first that is there is taken."""
SYSTEMS = ("system", "developer")
ALONGSIDE = ("system", "reference", "ratings", "subset", "id", "preferred")
COLUMNS = frozenset((*PROMPTS, *ALONGSIDE, *(name for shape in SHAPES for name in shape.columns)))
"""All columns that are read."""


def task_of(record: Row, identity: str, fields: FieldNames | None = None) -> JudgmentTask:
    """The task of a record, named `identity` if it has no id of its own. Raises DataError."""
    row = renamed(record, fields or {})
    answers = shape_of(row, fields or {}).read(row)
    explicit, ratings = _prompt(row), row.get("ratings")
    if explicit is None and not any(map(has_prompt, answers.responses)):
        raise DataError(_lacks("no prompt is found", row, "prompt"))
    prompt, responses = split(explicit or (), answers.responses)
    try:
        described = {
            "prompt": _with_system(prompt, row.get("system")),
            "responses": responses,
            "preferred": answers.gold.preferred,
            "ratings": answers.gold.ratings if ratings is None else ratings,
            "reference": row.get("reference") or None,
            "subset": row.get("subset") or None,
            "id": _identity(row.get("id"), identity),
        }
        return JudgmentTask.model_validate(described)
    except ValidationError as error:
        raise DataError(explain(error)[0]) from None


def renamed(record: Row, fields: FieldNames) -> dict[str, Any]:
    """The record with its columns under the names that shapes know; raises DataError."""
    named = {
        ours: _at(record, theirs) if isinstance(theirs, str) else [_at(record, x) for x in theirs]
        for ours, theirs in fields.items()
    }
    return {**record, **named}


def _at(record: Row, column: str) -> Any:
    """A column's value, or that of `column.key` in it; raises DataError."""
    if column in record:
        return record[column]
    head, dot, rest = column.partition(".")
    if dot and isinstance(record.get(head), Mapping):
        return _at(record[head], rest)
    raise DataError(f"fields: there is no column {column!r}{did_you_mean(column, record)}")


def shape_of(row: Row, fields: FieldNames) -> Shape:
    """The shape whose columns are there; first one that `fields` names. Raises DataError."""
    present = {name for name, value in row.items() if value is not None}
    by_fields = sorted(SHAPES, key=lambda shape: -len(fields.keys() & set(shape.columns)))
    for shape in by_fields:
        if present.issuperset(shape.columns):
            return shape
    raise DataError(_unknown(row, present))


def _unknown(row: Row, present: set[str]) -> str:
    nearest = max(SHAPES, key=lambda shape: len(present & set(shape.columns)) / len(shape.columns))
    missing = next(name for name in nearest.columns if name not in present)
    there = [f"`{name}`" for name in nearest.columns if name in present]
    if not there:
        return _lacks('no responses are found: give "chosen" and "rejected", or "responses"', row)
    empty = "is empty" if missing in row else "is missing"
    return _lacks(f"`{missing}` {empty} beside {', '.join(there)}", row, missing)


def _lacks(complaint: str, row: Row, column: str = "") -> str:
    """The complaint, what was found, and what to type."""
    close = get_close_matches(column, [name for name in row if name not in COLUMNS], n=1)
    near = f"; did you mean it by {close[0]!r}?" if close else ""
    return (
        f"{complaint}{near} (columns: {', '.join(row) or 'none'}). Other names are told by"
        ' fields = { prompt = "...", chosen = "...", rejected = "..." }'
    )


def _prompt(row: Row) -> Dialogue | None:
    """What the first of the prompt's columns holds, an empty one only where all are."""
    present = [name for name in PROMPTS if row.get(name) is not None]
    filled = [name for name in present if row[name] != ""]
    return next((PROMPTS[name](row) for name in (*filled, *present)), None)


def _with_system(prompt: Dialogue, system: Any) -> Dialogue:
    """The prompt with the record's system prompt, unless it has one."""
    if not isinstance(system, str) or not system.strip() or prompt[0].role in SYSTEMS:
        return prompt
    return (Message(role="system", content=system), *prompt)


def _identity(given: Any, otherwise: str) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int | None):
        raise DataError(f"id: expected a text or a whole number, got {given!r:.40}")
    return str(given) if given not in (None, "") else otherwise
