"""Rejected responses that are good answers to another question.

The teacher is shown a prompt and a good response to it. In one generation it writes a different
but closely related instruction, and a good answer to that; the answer is a poor response to the
prompt. So the label is known without anybody judging, and what is wrong with the rejected response
is what it says, not how it is written.

Source: Self-Taught Evaluators (arXiv 2408.02666), and the WildChat part of the data of EvalPlanner
(arXiv 2501.18099) and J1 (arXiv 2505.10320). The wording is ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from j1sdk.formats.sections import Tag, conversation, tag, transcript
from j1sdk.quoting import quote
from j1sdk.types import Completion, Conversation, Usage
from j1sdk_data.builders import Built, Item
from j1sdk_data.builders.prompts import Prompted
from j1sdk_data.builders.teacher import Taught, quoted

INSTRUCTION, ANSWER = tag("other_instruction"), tag("answer_to_other_instruction")
REQUEST = ("[Request]", "[End of request]")
RESPONSE = ("[Response]", "[End of response]")
MARKERS = (*INSTRUCTION, *ANSWER, *REQUEST, *RESPONSE)
TASK = (
    "Below are a request that a user made of an assistant, and a good response to it. Write a"
    " different instruction, and answer that one instead."
)
DIFFERENT = (
    "The other instruction has the topic, the length and the style of the request, and could"
    " easily be mistaken for it at a first reading. But it asks for something else: change what is"
    " wanted, a premise, a quantity or a constraint. A perfect answer to it must fail to answer"
    " the request. If the request is a dialogue, change what the user says last."
)
GOOD = (
    "Then answer the other instruction as well as you can, as an assistant that has seen nothing"
    " else: do not mention the request, its response, or that anything was changed. Be as thorough"
    " as the response below is, and write it in the same manner."
)
FORM = (
    f"Write the other instruction between {INSTRUCTION[0]} and {INSTRUCTION[1]}, and the answer"
    f" between {ANSWER[0]} and {ANSWER[1]}. Write nothing after that."
)


class NoisyInstruction(Prompted, Taught):
    """Chosen: a response to the prompt. Rejected: the teacher's answer to a similar one."""

    name: ClassVar[str] = "noisy-instruction"
    failures: ClassVar[tuple[str, ...]] = (
        "no_baseline",
        "truncated",
        "repeated_marker",
        "no_instruction",
        "unchanged_instruction",
        "empty_answer",
        "identical_to_chosen",
    )
    chosen: Literal["given", "teacher"] = "given"
    """`given` takes the file's response, and asks the teacher only where there is none; `teacher`
    always asks, so that both responses are of one author, and style gives nothing away."""

    async def build(self, item: Item) -> Built:
        usage, baseline = Usage(), (item.response or "").strip()
        if self.chosen == "teacher" or not baseline:
            written = await self.ask(item, quoted(item.prompt, self.engine.reserved))
            usage, baseline = written.usage, written.text
            if not baseline or written.finish_reason == "length":
                failure = "truncated" if baseline else "no_baseline"
                return Built(failure=failure, detail=baseline, usage=usage)
        asked = request(item.prompt, baseline, self.engine.reserved)
        written = await self.ask(item, asked, number=1)
        usage += written.usage
        if failure := flaw(written, item.prompt, baseline):
            return Built(failure=failure, detail=written.text, usage=usage)
        return Built(pairs=(item.task(baseline, between(written.text, ANSWER)),), usage=usage)


def request(prompt: Conversation, response: str, reserved: Iterable[str] = ()) -> Conversation:
    """What the teacher is asked; nothing in the prompt or response reads as a marker."""
    markers = {*MARKERS, *reserved}
    fenced = [
        f"{opening}\n{quote(text, markers)}\n{closing}"
        for text, (opening, closing) in ((transcript(prompt), REQUEST), (response, RESPONSE))
    ]
    return conversation("\n\n".join((TASK, DIFFERENT, GOOD, FORM, *fenced)))


def flaw(written: Completion, prompt: Conversation, chosen: str) -> str:
    """Why there is no pair in what the teacher wrote; empty where there is one."""
    text = written.text
    if any(text.count(mark) > 1 for mark in (*INSTRUCTION, *ANSWER)):
        return "repeated_marker"
    if written.finish_reason == "length" and ANSWER[1] not in text:
        return "truncated"
    instruction, answer = between(text, INSTRUCTION), between(text, ANSWER)
    if not instruction or text.find(INSTRUCTION[1]) > text.find(ANSWER[0]) >= 0:
        return "no_instruction"
    if plain(instruction) in (plain(transcript(prompt)), plain(prompt[-1].content)):
        return "unchanged_instruction"
    if not answer:
        return "empty_answer"
    return "identical_to_chosen" if plain(answer) == plain(chosen) else ""


def between(text: str, section: Tag) -> str:
    """What a section holds; empty where it is not there, or never ends."""
    _, found, rest = text.partition(section[0])
    inside, ended, _ = rest.partition(section[1])
    return inside.strip() if found and ended else ""


def plain(text: str) -> str:
    """The text without what case and spacing add to it."""
    return " ".join(text.casefold().split())
