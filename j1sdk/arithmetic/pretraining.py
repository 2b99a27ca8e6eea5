"""A base model that can compare and add: the stand-in for a pretrained language model.

A plain loop, because nothing here is about judging. Short lessons come first: whether two
numbers are equal, then sums; only then whole checks as a judge's thoughts have them. Learning
both at once takes several times as long (each has a sudden transition). Muon on the matrices
shortens it again by about three. Loss falls on what follows from the rest, never on random digits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from j1sdk.arithmetic.sums import draw, mistake, show

Progress = Callable[[int, int], None]


class Lesson(NamedTuple):
    """A text whose second half follows from the first."""

    given: str
    learnt: str


def comparison(generator: random.Random) -> Lesson:
    """Is the second number the first?"""
    number = generator.randrange(200)
    other = max(0, number + generator.choice((-10, -2, -1, 1, 2, 10)))
    other = number if generator.random() < 0.5 else other
    letter = generator.choice("AB")
    return Lesson(f"={show(number)}; {letter}{show(other)}", verdict(number == other))


def addition(generator: random.Random) -> Lesson:
    """What is the sum?"""
    drawn = draw(generator, held_out=False)
    return Lesson(f"{drawn.question}=", drawn.answer)


def check(generator: random.Random) -> Lesson:
    """Copy the question, add, and check both answers, as a judge's thought does."""
    drawn = draw(generator, held_out=False)
    answers = [drawn.answer, mistake(drawn, generator)]
    generator.shuffle(answers)
    given = f"{drawn.question}; A{answers[0]}; B{answers[1]}\n"
    checks = [f"; {letter}{answer}{verdict(answer == drawn.answer)}"
              for letter, answer in zip("AB", answers, strict=True)]  # fmt: skip
    return Lesson(given, f"{drawn.question}={drawn.answer}" + "".join(checks))


def verdict(right: bool) -> str:
    return " right" if right else " wrong"


def lesson_for(progress: float) -> list[tuple[Callable[[random.Random], Lesson], float]]:
    """The mixture of lessons at a point of training, from 0 to 1, as (lesson, weight)."""
    if progress < 0.2:
        return [(comparison, 1.0)]
    if progress < 0.5:
        return [(addition, 0.7), (comparison, 0.3)]
    return [(addition, 0.3), (comparison, 0.4), (check, 0.3)]


def pretrain(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, seed: int,
    batch_size: int = 64, progress: Progress | None = None,
) -> list[float]:  # fmt: skip
    """Train the model in place; returns the loss of each step."""
    generator, losses = random.Random(seed), []
    optimizers = make_optimizers(model)
    model.train()
    for step in range(steps):
        lessons, weights = zip(*lesson_for(step / steps), strict=True)
        chosen = generator.choices(lessons, weights, k=batch_size)
        ids, labels = batch(tokenizer, [lesson(generator) for lesson in chosen])
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scale = min(1.0, (step + 1) / 20, (1 - step / steps) / 0.4)
        for optimizer, rate in optimizers:
            optimizer.param_groups[0]["lr"] = rate * scale
            optimizer.step()
        model.zero_grad()
        losses.append(loss.item())
        if progress:
            progress(step + 1, steps)
    return losses


def make_optimizers(model: Qwen3ForCausalLM) -> list[tuple[torch.optim.Optimizer, float]]:
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
    given = tokenizer([lesson.given for lesson in lessons])["input_ids"]
    learnt = tokenizer([lesson.learnt for lesson in lessons])["input_ids"]
    length = max(len(a) + len(b) for a, b in zip(given, learnt, strict=True))
    ids = torch.full((len(lessons), length), tokenizer.pad_token_id)
    labels = torch.full((len(lessons), length), -100)
    for row, (before, after) in enumerate(zip(given, learnt, strict=True)):
        whole = torch.tensor(before + after)
        ids[row, : len(whole)] = whole
        labels[row, len(before) : len(whole)] = whole[len(before) :]
    return ids, labels
