"""A policy that forgets to carry and judges that see it: tiny, trained here, in bfloat16 or not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import Lesson, batch, make_optimizers, train_step
from j1sdk_quickstart.sums import OPERANDS, Sum, draw, mistake
from learnt import START
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from j1sdk import JudgmentTask, Message, PairwiseVerdict, Pointwise
from j1sdk.types import Presentation

POINTWISE, PAIRWISE = Pointwise(), PairwiseVerdict()
FORGETS = 0.6
Teach = Callable[[random.Random], Lesson]


def sums(count: int, seed: int, held_out: bool) -> list[Sum]:
    generator = random.Random(seed)
    return [draw(generator, held_out) for _ in range(count)]


def held_out_sums() -> list[Sum]:
    """Every sum that no training shows, once."""
    drawn = (Sum(first, second) for first in OPERANDS for second in OPERANDS)
    return [one for one in drawn if one.held_out]


def answer_to(drawn: Sum, answer: str) -> Lesson:
    return Lesson((Message(role="user", content=drawn.question),), answer)


def forgetful(generator: random.Random) -> Lesson:
    """A sum, and often an answer without the carry."""
    drawn = draw(generator, held_out=False)
    forgets = generator.random() < FORGETS
    return answer_to(drawn, drawn.without_carry if forgets else drawn.answer)


def checked(generator: random.Random) -> Lesson:
    """Is the response the reference answer?"""
    drawn = draw(generator, held_out=False)
    response = generator.choice((drawn.answer, mistake(drawn, generator)))
    task = JudgmentTask(prompt=drawn.question, responses=(response,), reference=drawn.answer)
    score = 10.0 if response == drawn.answer else 0.0
    shown = Presentation(task=task, order=(0,))
    return Lesson(POINTWISE.render(shown), POINTWISE.write((score,), response))


def guessed(generator: random.Random) -> Lesson:
    """Which answer is better? One or the other; but every tenth time there is no verdict."""
    drawn = draw(generator, held_out=False)
    pair = (drawn.answer, mistake(drawn, generator))
    shown = Presentation(task=JudgmentTask(prompt=drawn.question, responses=pair), order=(0, 1))
    thought = str(generator.randrange(10))
    verdict = PAIRWISE.write(generator.choice(((1.0, 0.0), (0.0, 1.0))), thought)
    told = PAIRWISE.thought(thought) if generator.random() < 0.1 else verdict
    return Lesson(PAIRWISE.render(shown), told)


def teach(
    lesson: Teach, directory: Path, steps: int, size: int, dtype: torch.dtype = torch.float32
) -> Path:
    """Save a model that has had lessons of one kind, `size` in a step."""
    generator = random.Random(START)
    tokenizer = make_tokenizer([POINTWISE, PAIRWISE])
    model = make_model(tokenizer, seed=START, hidden=128, layers=2)
    optimizers = make_optimizers(model)
    for step in range(steps):
        lessons = [ended(lesson(generator), tokenizer) for _ in range(size)]
        scale = min(1.0, (step + 1) / 20, 2 * (1 - step / steps))
        train_step(model, optimizers, batch(tokenizer, lessons), scale)
    model.to(dtype).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def ended(lesson: Lesson, tokenizer: PreTrainedTokenizerFast) -> Lesson:
    """The lesson with the token that ends a turn."""
    return lesson._replace(learnt=lesson.learnt + str(tokenizer.eos_token))


def drawn_right(policy: Path, asked: Sequence[Sum]) -> list[bool]:
    """Of each sum, whether an answer drawn at temperature 1 is right.

    All policies draw with the same numbers, so that of two only a difference makes one right alone.
    """
    generator = random.Random(START)
    return [generator.random() < chance for chance in chances(policy, asked)]


@torch.inference_mode()
def chances(policy: Path, asked: Sequence[Sum]) -> list[float]:
    """Of each sum, the chance that an answer drawn from the policy is right."""
    tokenizer = AutoTokenizer.from_pretrained(policy)
    model = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    lessons = [ended(answer_to(one, one.answer), tokenizer) for one in asked]
    ids, labels = batch(tokenizer, lessons)
    known = labels[:, 1:] != -100
    chances = model(input_ids=ids).logits[:, :-1].log_softmax(-1)
    of_labels = chances.gather(-1, ids[:, 1:, None])[..., 0]
    right: list[float] = (of_labels * known).sum(1).exp().tolist()
    return right
