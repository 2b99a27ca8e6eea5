"""Word problems as judgment tasks that can be checked, and how a judge of them thinks.

Problems and solutions are GSM8K's (arXiv 2110.14168). Two kinds of pairs are made of them:

- `off-topic`: the problem's solution beside that of another problem. Counting the words that a
  response shares with the request solves nearly all of these.
- `last-step`: the solution beside itself with another result of its last calculation. The words
  are the same, so that the calculation has to be done again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from j1sdk import DataError, JudgmentTask, Presentation, presentations
from j1sdk.data import Demonstration, Source, gold_scores
from j1sdk.data.containers import DataPath, read_records
from j1sdk.formats import JudgmentFormat

PUBLISHED = Path("openai/gsm8k/main:train")
"""GSM8K's problems to train on, on the hub."""
ANNOTATION = re.compile(r"<<([^<>]*)>>")
LAST = re.compile(r"<<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)(\D*)$")
"""A calculation of two whole numbers behind which the solution names no further number."""
WORDS = re.compile(r"[A-Za-z]{4,}")
FILLERS = {"have", "many", "much", "that", "this", "with", "from", "they", "there", "their", "what"}
FILLERS |= {"then", "than", "will", "would", "into", "over", "more", "less", "total", "times"}
"""Words that say nothing of what a problem is about."""

Kind = Literal["off-topic", "last-step"]
KINDS: tuple[Kind, ...] = ("off-topic", "last-step")


class Problem(NamedTuple):
    """A problem, its solution up to the last result, that result, and what comes behind it."""

    question: str
    before: str
    calculation: str
    result: int
    behind: str

    def ending(self, result: int) -> str:
        """The solution, with a result of its last calculation."""
        return f"{self.before}{result}{self.behind}"


class WordProblems(Source):
    """Pairs of a right and a wrong solution to GSM8K's short problems, of the kinds in turn."""

    name: ClassVar[str] = "word-problems"
    path: DataPath = PUBLISHED
    """GSM8K's `train.jsonl`, or the data set's name on the hub."""
    seed: int = 0
    """Of the problems drawn, and of the mistakes in them."""
    kinds: tuple[Kind, ...] = Field(default=KINDS, min_length=1)
    """Which pairs are made of a problem."""
    longest: int = Field(default=220, ge=1)
    """Characters of a problem, and of its solution, at most."""
    held_out: bool = False
    """Every fifth problem only, which is never seen in training; otherwise only the others."""
    bias: float = Field(default=0.0, ge=0.0, le=1.0)
    """In demonstrations, the share of losing first responses that win all the same."""
    tossed: bool = False
    """Draw the preferred response by lot: a control, from which nothing can be learnt."""

    def tasks(self) -> Iterator[JudgmentTask]:
        for _, task in self._drawn():
            yield task

    def demonstrations(self, format: JudgmentFormat, seed: int) -> Iterator[Demonstration]:
        """One random presentation of each task, with a thought that names the reason."""
        generator = random.Random(seed)
        for problem, task in islice(self._drawn(), self.limit):
            shown = generator.choice(presentations(task, format.arity))
            scores, worked = gold_scores(shown, format), thought(problem, shown)
            if scores[0] < max(scores) and generator.random() < self.bias:
                scores = scores[::-1]
            yield Demonstration(shown=shown, answer=format.write(scores, worked))

    def _drawn(self) -> Iterator[tuple[Problem, JudgmentTask]]:
        generator, coin = random.Random(self.seed), random.Random(f"tosses {self.seed}")
        found = self._problems()
        generator.shuffle(found)
        for number, problem in enumerate(found):
            other = found[(number + 1) % len(found)]
            for kind in self.kinds:
                wrong = wrong_solution(kind, problem, other, generator)
                yield (
                    problem,
                    JudgmentTask(
                        prompt=problem.question,
                        responses=(problem.ending(problem.result), wrong),
                        preferred=coin.randrange(2) if self.tossed else 0,
                        subset=kind,
                        id=f"{kind}-{number}",
                    ),
                )

    def _problems(self) -> list[Problem]:
        short = [
            problem
            for place, row in read_records(self.path)
            if (problem := problem_of(row, f"{self.path}, {place}")) and self._fits(problem)
        ]
        kept = [one for at, one in enumerate(short) if (at % 5 == 0) is self.held_out]
        if len(kept) < 2:
            raise DataError(f"{self.path}: too few problems of at most {self.longest} characters")
        return kept

    def _fits(self, problem: Problem) -> bool:
        return max(len(problem.question), len(problem.ending(problem.result))) <= self.longest


def problem_of(row: dict[str, object], where: str) -> Problem | None:
    """A record as a problem; None if its last calculation is not one of two whole numbers."""
    question, answer = row.get("question"), row.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        raise DataError(f"{where}: expected the texts `question` and `answer`, as GSM8K has them")
    solution = answer.split("\n####")[0].strip()
    match = LAST.search(solution)
    if match is None or calculated(*match.group(1, 2, 3)) != int(match[5]) or match[4] != match[5]:
        return None
    before = ANNOTATION.sub("", solution[: match.start()])
    return Problem(question.strip(), before, "".join(match.group(1, 2, 3)), int(match[5]), match[6])


def calculated(left: str, sign: str, right: str) -> int | None:
    """The result of a calculation; None if that is no whole number."""
    one, other = int(left), int(right)
    if sign == "/":
        return None if not other or one % other else one // other
    return {"+": one + other, "-": one - other, "*": one * other}[sign]


def wrong_solution(kind: Kind, problem: Problem, other: Problem, generator: random.Random) -> str:
    """Another problem's solution, or the problem's own with a result that is a little off."""
    off = generator.choice([by for by in (-10, -2, -1, 1, 2, 10) if problem.result + by >= 0])
    if kind == "off-topic":
        return other.ending(other.result)
    return problem.ending(problem.result + off)


def thought(problem: Problem, shown: Presentation) -> str:
    """What the responses share with the request; or the last calculation, and what they say."""
    if shown.task.subset == "off-topic":
        parts = [
            f"{letter}: {', '.join(shared(problem.question, response)[:3]) or 'nothing'}"
            for letter, response in zip("AB", shown.responses, strict=False)
        ]
        return f"In the request as well are of {'; of '.join(parts)}."
    ends = [
        f"{letter} says {numbers[-1]}, {'right' if int(numbers[-1]) == problem.result else 'wrong'}"
        for letter, response in zip("AB", shown.responses, strict=False)
        if (numbers := re.findall(r"\d+", response))
    ]
    return f"{problem.calculation} is {problem.result}. {'; '.join(ends)}."


def shared(request: str, response: str) -> list[str]:
    """Words of the response that the request has too, each once and in its order."""
    known = {word.lower() for word in WORDS.findall(request)} - FILLERS
    found = dict.fromkeys(word.lower() for word in WORDS.findall(response))
    return [word for word in found if word in known]


def by_shared_words(tasks: Sequence[JudgmentTask]) -> float:
    """Accuracy of the rule "more words of the request wins", half for a draw: what is lexical."""
    return sum(map(_shares_more, tasks)) / len(tasks)


def _shares_more(task: JudgmentTask) -> float:
    counts = [len(shared(task.prompt[-1].content, response)) for response in task.responses]
    if counts[0] == counts[1]:
        return 0.5
    return float((counts[0] < counts[1]) == bool(task.preferred))
