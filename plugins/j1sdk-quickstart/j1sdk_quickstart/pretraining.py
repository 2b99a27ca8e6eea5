"""A base model that can compare and add: the stand-in for a pretrained language model.

A plain loop, because nothing here is about judging. Short lessons come first: whether two
numbers are equal, then sums of digits, then of numbers; only then a judge's whole thoughts. Each
skill comes in a sudden transition, and when is a matter of luck; so a stage lasts until it is
mastered. Learning all at once takes several times as long, and without Muon for the matrices
three times as long again. Loss falls on what follows from the rest, never on random digits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from j1sdk import Conversation, JudgmentTask, PairwiseVerdict, Presentation
from j1sdk.engines.chat import render_chat
from j1sdk_quickstart.sums import draw, mistake, show
from j1sdk_quickstart.tasks import Arithmetic, thought

Progress = Callable[[int, int], None]


class Lesson(NamedTuple):
    """A text whose second half follows from the first."""

    given: str | Conversation
    learnt: str


def comparison(generator: random.Random) -> Lesson:
    """Is the second number the first?"""
    number = generator.randrange(200)
    other = max(0, number + generator.choice((-10, -2, -1, 1, 2, 10)))
    other = number if generator.random() < 0.5 else other
    letter = generator.choice("AB")
    return Lesson(f"={show(number)}; {letter}{show(other)}", verdict(number == other))


def small_addition(generator: random.Random) -> Lesson:
    """What is the sum of two digits?"""
    drawn = draw(generator, held_out=False, operands=range(10))
    return Lesson(f"{drawn.question}=", drawn.answer)


def addition(generator: random.Random) -> Lesson:
    """What is the sum?"""
    drawn = draw(generator, held_out=False)
    return Lesson(f"{drawn.question}=", drawn.answer)


def check(generator: random.Random) -> Lesson:
    """Think as a judge does: copy the question, add, and check both answers; without a verdict.

    Either answer may be wrong. Were one always right, choosing between them would do for adding.
    """
    drawn = draw(generator, held_out=False)
    answers = [generator.choice((drawn.answer, mistake(drawn, generator))) for _ in range(2)]
    task = JudgmentTask(prompt=drawn.question, responses=tuple(answers))
    shown = Presentation(task=task, order=(0, 1))
    return Lesson(JUDGE.render(shown), JUDGE.thought(thought(shown)))


JUDGE = PairwiseVerdict()


def verdict(right: bool) -> str:
    return " right" if right else " wrong"


class Stage(NamedTuple):
    """Part of the course: a mixture of lessons, gone on with until they are mastered."""

    lessons: dict[Callable[[random.Random], Lesson], float]
    """Weights of the lessons."""
    mastered: float
    """The mean loss at which the next stage begins."""


COURSE = (
    Stage({comparison: 1.0}, mastered=0.03),
    Stage({small_addition: 0.6, comparison: 0.4}, mastered=0.1),
    Stage({small_addition: 0.2, addition: 0.5, comparison: 0.3}, mastered=0.1),
    Stage({addition: 0.3, comparison: 0.3, check: 0.4}, mastered=0.02),
)
FINISH = 500
"""Steps after the last stage is mastered, in which the learning rate falls to zero."""


def pretrain(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    most_steps: int,
    seed: int,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> list[float]:
    """Train the model in place until the course is mastered; returns the loss of each step."""
    generator, optimizers = random.Random(seed), make_optimizers(model)
    losses: list[float] = []
    stage, mean, left = 0, 1.0, most_steps
    model.train()
    while left:
        lessons = COURSE[min(stage, len(COURSE) - 1)].lessons
        chosen = generator.choices(list(lessons), list(lessons.values()), k=batch_size)
        rows = batch(tokenizer, [lesson(generator) for lesson in chosen])
        scale = min(1.0, (len(losses) + 1) / 20, left / FINISH)
        losses.append(train_step(model, optimizers, rows, scale))
        mean, left = 0.97 * mean + 0.03 * losses[-1], left - 1
        if stage < len(COURSE) and mean < COURSE[stage].mastered:
            stage, mean = stage + 1, 1.0
            left = min(left, FINISH) if stage == len(COURSE) else left
        if progress:
            progress(len(losses), len(losses) + left)
    return losses


BATCH, JUDGES, MOST = 64, 0.01, 1000
"""Demonstrations of a step, the mean loss at which a judge judges well, and the most steps."""


def learn_to_judge(
    model: Qwen3ForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    most_steps: int = MOST,
    progress: Progress | None = None,
) -> None:
    """Train the model in place to judge by what it thought, without bias, until it does.

    A judge that is biased before its verdicts follow from its thoughts may never learn that they
    should: shown A four times of five, two models of five said A with log odds of 1.4 whatever
    they had thought. No reward taught them more, for none can tell which verdict followed.
    """
    optimizers, mean = make_optimizers(model), 1.0
    shown = demonstrated(tokenizer, seed, most_steps, bias=0.0, neither=0.0)
    model.train()
    for step in range(1, most_steps + 1):
        rows = batch(tokenizer, list(islice(shown, BATCH)))
        mean = 0.9 * mean + 0.1 * train_step(model, optimizers, rows, min(step / 20, 1.0))
        if progress:
            progress(step, most_steps)
        if mean <= JUDGES:
            return


def demonstrated(
    tokenizer: PreTrainedTokenizerFast, seed: int, steps: int, **options: float
) -> Iterator[Lesson]:
    """Whole judgments for so many steps, by the options of `Arithmetic`."""
    end = str(tokenizer.eos_token)
    source = Arithmetic.model_validate(
        {"seed": seed + 1, "limit": steps * BATCH, "held_out": False, **options}
    )
    for one in source.demonstrations(JUDGE, seed):
        yield Lesson(JUDGE.render(one.shown), one.answer + end)


Optimizers = list[tuple[torch.optim.Optimizer, float]]
"""Optimizers with their peak learning rates."""


def train_step(
    model: Qwen3ForCausalLM,
    optimizers: Optimizers,
    rows: tuple[torch.Tensor, torch.Tensor],
    scale: float,
) -> float:
    """One update, at a share of the peak learning rates; returns the loss."""
    loss = model(input_ids=rows[0], labels=rows[1]).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, rate in optimizers:
        optimizer.param_groups[0]["lr"] = rate * scale
        optimizer.step()
    model.zero_grad()
    return float(loss.item())


def make_optimizers(model: Qwen3ForCausalLM) -> Optimizers:
    """Muon for the matrices and AdamW for the rest, each with its peak learning rate."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim != 2 or "embed" in name]
    return [
        (torch.optim.Muon(matrices, weight_decay=0.01), 0.02),
        (torch.optim.AdamW(others, betas=(0.9, 0.95), weight_decay=0.01), 4e-3),
    ]


def batch(
    tokenizer: PreTrainedTokenizerFast, lessons: Sequence[Lesson]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels (batch, length), padded on the right; -100 where no loss falls."""
    asked = [
        lesson.given if isinstance(lesson.given, str) else render_chat(tokenizer, lesson.given)
        for lesson in lessons
    ]
    given = tokenizer(asked, add_special_tokens=False)["input_ids"]
    learnt = tokenizer([lesson.learnt for lesson in lessons])["input_ids"]
    length = max(len(a) + len(b) for a, b in zip(given, learnt, strict=True))
    ids = torch.full((len(lessons), length), tokenizer.pad_token_id)
    labels = torch.full((len(lessons), length), -100)
    for row, (before, after) in enumerate(zip(given, learnt, strict=True)):
        whole = torch.tensor(before + after)
        ids[row, : len(whole)] = whole
        labels[row, len(before) : len(whole)] = whole[len(before) :]
    return ids, labels
