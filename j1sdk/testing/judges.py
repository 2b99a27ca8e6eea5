"""What the contract suite judges, and the judges it does it with."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonprefix
from types import SimpleNamespace

from j1sdk.catalogue import Catalogue
from j1sdk.component import Component
from j1sdk.data import gold_scores
from j1sdk.deliberation import question
from j1sdk.engines.scripted import Scripted
from j1sdk.errors import EngineError
from j1sdk.formats import JudgmentFormat
from j1sdk.hookspecs import hookimpl
from j1sdk.types import (
    Conversation,
    Judgment,
    JudgmentStatus,
    JudgmentTask,
    Message,
    Presentation,
    Sampling,
    Scores,
    presentations,
)

DIALOGUE = (
    Message(role="user", content="Name a colour."),
    Message(role="assistant", content="Blue."),
    Message(role="user", content="Wärmer, bitte 🔥"),
)


def example_tasks() -> list[JudgmentTask]:
    """Pairs with gold and ratings: a question with its reference, a dialogue, an awkward one."""
    return [
        JudgmentTask.from_pair(
            "Name a prime.", "Eleven is.", "Twelve is.", reference="2", ratings=(9.0, 6.0)
        ),
        JudgmentTask(
            prompt=DIALOGUE, responses=("Violet?", "Orange!"), preferred=1, ratings=(4.0, 5.0)
        ),
        JudgmentTask.from_pair(
            "{0} %s {braces}", "{0} \\boxed{yes}", "<b>1\n\n2</b>", ratings=(2.0, 0.0)
        ),
    ]


def example_presentations(arity: int) -> list[Presentation]:
    """Everything a format of this arity is shown of the example tasks, in both orders."""
    return [shown for task in example_tasks() for shown in presentations(task, arity)]


def isolated_catalogue(*classes: type[Component]) -> Catalogue:
    """A catalogue of these classes and of nothing that is installed; raises PluginError."""
    offered: dict[str, list[type[Component]]] = {}
    for one in dict.fromkeys(classes):
        offered.setdefault(one.kind, []).append(one)
    return Catalogue.of(SimpleNamespace(**{kind: _offer(found) for kind, found in offered.items()}))


def _offer(found: list[type[Component]]) -> object:
    @hookimpl
    def offer() -> list[type[Component]]:
        return found

    return offer


def judged(format: JudgmentFormat, shown: Presentation, scores: Scores | None) -> Judgment:
    """The judgment of a judge that gave these scores, or for None wrote nothing at all."""
    return Judgment(
        task_id=shown.task.id,
        order=shown.order,
        scores=scores,
        status=JudgmentStatus.UNPARSEABLE if scores is None else JudgmentStatus.OK,
        transcript=(
            *question(format, shown, ()),
            Message(role="assistant", content="" if scores is None else format.write(scores)),
        ),
    )


def oracle(format: JudgmentFormat, tasks: Sequence[JudgmentTask]) -> Scripted:
    """An engine that answers from the gold labels of these tasks, and fails on any other."""
    reserved = Scripted().reserved
    known = [
        (question(format, shown, reserved), format.write(gold_scores(shown, format)))
        for task in tasks
        for shown in presentations(task, format.arity)
    ]

    def answer(conversation: Conversation, sampling: Sampling) -> str | EngineError:
        for asked, right in known:
            if conversation[: len(asked)] == asked:
                return _rest(format, right, conversation)
        return EngineError("the oracle knows no task with this prompt")

    return Scripted(script=answer)


def always_first(format: JudgmentFormat) -> Scripted:
    """An engine with position bias and nothing else: the response shown first is the best."""
    low, high = format.score_range
    biased = format.write((high, low)[: format.arity])
    return Scripted(script=lambda conversation, sampling: _rest(format, biased, conversation))


def _rest(format: JudgmentFormat, answer: str, conversation: Conversation) -> str:
    """What is left of an answer that the conversation may have begun, perhaps in other words."""
    begun = conversation[-1].content if conversation[-1].role == "assistant" else ""
    closed = [closing for _, closing in format.sections if closing in begun]
    if closed:
        return answer.partition(closed[-1])[2]
    return answer[len(commonprefix([answer, begun])) :]  # noqa: RUF071  of characters, as meant
