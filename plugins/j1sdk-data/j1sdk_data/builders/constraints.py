"""FollowBench's instructions, and how to tell whether a response meets their constraints.

FollowBench (Jiang et al., 2024, arXiv 2310.20410; github.com/YJiangcm/FollowBench) adds
constraints to an instruction one by one. Its files `<type>_constraints.json` hold instructions of
levels 0 to 5, one constraint more at each, and no responses. Some have an expected answer and a
rule to compare with it; for the others a judge says of each constraint whether it is met
(`ConstraintChecks`). The few rules that upstream wrote for one instruction only are not here:
those instructions go to the judge.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from j1sdk.component import Value
from j1sdk.errors import DataError, Unparseable, explain
from j1sdk.formats import JudgmentFormat
from j1sdk.formats.sections import (
    Tag,
    after,
    conversation,
    read_parts,
    section,
    tag,
    transcript,
)
from j1sdk.types import Conversation, Presentation, Scores

ConstraintType = Literal["content", "situation", "style", "format", "example", "mixed"]
Rule = Callable[[str, str], bool]
"""Whether a response, given first, is what a target wants."""


class Instruction(Value):
    """An instruction with `level` constraints."""

    type: ConstraintType
    example: int
    """What it began as: the same at every level, within a type."""
    level: int
    source: str
    versions: tuple[str, ...]
    """The instruction as it grew, from its first wording to this one."""
    target: str

    @property
    def id(self) -> str:
        return f"{self.type}-{self.example}-L{self.level}"

    @property
    def text(self) -> str:
        return self.versions[-1]

    @property
    def rule(self) -> Rule | None:
        """What decides whether a response meets all constraints; None where a judge has to."""
        return fills if self.type == "example" else RULES.get(self.source)


class _Record(BaseModel):
    """An entry of a file. Fields it does not know are left alone."""

    model_config = ConfigDict(extra="ignore", strict=True)

    example_id: int
    level: int = Field(ge=0, le=5)
    source: str
    instruction: str
    target: str


def read_instructions(folder: Path, type: ConstraintType) -> Iterator[Instruction]:
    """The instructions of a type that have constraints, in file order.

    Raises DataError naming file, index and field.
    """
    path = folder / f"{type}_constraints.json"
    began: dict[int, list[str]] = {}
    for index, described in enumerate(_array(path)):
        try:
            record = _Record.model_validate(described)
        except ValidationError as error:
            raise DataError(f"{path}, index {index}: {explain(error)[0]}") from None
        versions = began.setdefault(record.example_id, [])
        if record.instruction:
            versions.append(record.instruction)
        if record.level and not record.instruction:
            raise DataError(f"{path}, index {index}: instruction: there is none")
        if record.level:
            yield Instruction(
                type=type,
                example=record.example_id,
                level=record.level,
                source=record.source,
                versions=tuple(versions),
                target=record.target,
            )


def _array(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None
    if not isinstance(entries, list):
        raise DataError(f"{path}: expected an array, got {type(entries).__name__}")
    return entries


def equals(response: str, target: str) -> bool:
    """The response is the target, to the letter."""
    return response == target


def lists(response: str, target: str) -> bool:
    """Every line of the response is a line of the target."""
    return set(response.split("\n")) <= set(target.split("\n"))


def names_one_of(response: str, target: str) -> bool:
    """The response is one of the names in the target, a list as Python writes it."""
    return response in ast.literal_eval(target)


def holds(response: str, target: str) -> bool:
    """The target is somewhere in the response."""
    return target in response


def last(pattern: str) -> Rule:
    """The last match of the pattern in the response is the target."""
    return lambda response, target: re.findall(pattern, response)[-1:] == [target]


def fills(response: str, target: str) -> bool:
    """The response is the target's template with one line in the place of `{answer}`."""
    template = target.replace("{instruction}\n", "").replace("{{", "{").replace("}}", "}")
    pattern = re.escape(template).replace(re.escape("{answer}"), ".*")
    return re.fullmatch(pattern, response) is not None


RULES: dict[str, Rule] = {
    "E2E": equals,
    "text_editing": equals,
    "WIKIEVENTS": lists,
    "CONLL2003": names_one_of,
    "self_made_space": holds,
    "BBH_logical": last(r"\([A-Z]\)"),
    "BBH_time": last(r"\d{2}/\d{2}/\d{4}"),
    "gsm_8k": last(r"\$\d+"),
}
"""By an instruction's source; outside of type `example`, which has `fills`."""

REQUEST, END_REQUEST = "[Request]", "[End of request]"
RESPONSE, END_RESPONSE = "[Response]", "[End of response]"


class ConstraintChecks(JudgmentFormat):
    """Yes or no for each constraint of a request; reads to the share that is met, such as (0.5,).

    The request shown tells how the constraints were added (`growth`).
    """

    name: ClassVar[str] = "constraint-checks"
    arity: ClassVar[Literal[1, 2]] = 1
    markers: ClassVar[tuple[str, ...]] = (
        *tag("think"),
        *tag("met"),
        REQUEST,
        END_REQUEST,
        RESPONSE,
        END_RESPONSE,
    )
    constraints: int = Field(ge=1)

    @property
    def sections(self) -> tuple[Tag, ...]:
        return tag("think"), tag("met")

    def render(self, shown: Presentation) -> Conversation:
        n = self.constraints
        return conversation(
            "You check whether an AI assistant kept to what it was asked. The request below is"
            f" shown as it grew to {n} constraints, one more each time. The assistant was given"
            " the last wording.\n\n"
            f"{REQUEST}\n{transcript(shown.prompt)}\n{END_REQUEST}\n\n"
            f"{RESPONSE}\n{shown.responses[0]}\n{END_RESPONSE}\n\n"
            "First name each added constraint, and work out whether the response meets it, between"
            f" <think> and </think>. After that, say yes or no for each of the {n}, in the order in"
            f" which they were added: <met>{', '.join(['yes or no'] * n)}</met>"
        )

    def parse(self, text: str) -> Scores:
        (given,) = read_parts(after(text, "think"), [section("met", str)], lenient=False)
        said = [word.strip() for word in given.split(",")]
        if len(said) != self.constraints or not set(said) <= {"yes", "no"}:
            raise Unparseable(f"<met> is {given[:80]!r}, not {self.constraints} yes or no")
        return (said.count("yes") / self.constraints,)

    def write(self, scores: Scores, thought: str = "") -> str:
        met = round(scores[0] * self.constraints)
        if scores != (met / self.constraints,):
            raise ValueError(f"{scores[0]!r} is no share of {self.constraints}")
        said = ["yes"] * met + ["no"] * (self.constraints - met)
        return f"<think>\n{thought}\n</think>\n<met>{', '.join(said)}</met>"


def growth(instruction: Instruction) -> str:
    """The instruction as it grew, for a judge that is to find the constraints."""
    first = instruction.level - len(instruction.versions) + 1
    return "\n\n".join(
        f"With {number} of them:\n{version}"
        for number, version in enumerate(instruction.versions, first)
    )
