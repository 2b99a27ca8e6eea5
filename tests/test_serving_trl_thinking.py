"""A policy whose chat template opens its thinking, in the real GRPOTrainer.

It was taught to end its thought and answer, or to think until it is cut.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from j1sdk_quickstart.models import make_model, make_tokenizer
from j1sdk_quickstart.pretraining import Lesson, batch, make_optimizers, train_step
from trl_reward import asked, pointwise

from j1sdk import Message, PairwiseVerdict

OPENED = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
PROMPT = [{"role": "user", "content": "7"}]
ENDS, GOES_ON = "7\n</think>\n4", "7" * 12
GROUP, LONGEST = 16, 8


def taught(tokenizer: Any) -> Any:
    """A policy that ends its thoughts half of the time."""
    model = make_model(tokenizer, seed=0, hidden=64, layers=1)
    optimizers, generator = make_optimizers(model), random.Random(0)
    given = (Message(role="user", content="7"),)
    for step in range(60):
        learnt = [generator.choice((ENDS + str(tokenizer.eos_token), GOES_ON)) for _ in range(16)]
        rows = batch(tokenizer, [Lesson(given, text) for text in learnt])
        train_step(model, optimizers, rows, min(1.0, (step + 1) / 10))
    return model


def test_the_judge_is_shown_the_answer_only_and_endless_thought_has_no_score(
    tmp_path: Path,
) -> None:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = make_tokenizer([PairwiseVerdict()])
    tokenizer.chat_template = OPENED
    judge = pointwise()
    written: list[str] = []

    def record(completions: list[Any], **_: Any) -> list[float]:
        written.extend(completion[0]["content"] for completion in completions)
        return [0.0] * len(completions)

    trainer = GRPOTrainer(
        model=taught(tokenizer), processing_class=tokenizer,
        reward_funcs=[judge.as_reward_function("trl"), record],
        train_dataset=Dataset.from_dict({"prompt": [PROMPT] * 2}),
        args=GRPOConfig(
            output_dir=str(tmp_path), max_steps=1, num_generations=GROUP, logging_steps=1,
            per_device_train_batch_size=GROUP * 2, max_completion_length=LONGEST, use_cpu=True,
            gradient_checkpointing=False, bf16=False, dataloader_pin_memory=False,
            save_strategy="no", report_to=[], disable_tqdm=True,
        ),
    )  # fmt: skip
    trainer.train()
    ended = [text for text in written if "</think>" in text]
    assert 0 < len(ended) < len(written) == 2 * GROUP
    shown = [responses[0] for responses in asked(judge)]
    assert sorted(shown) == sorted(text.rpartition("</think>")[2].strip() for text in ended)
    assert not any("7\n" in text or "think" in text for text in shown)
    log = trainer.state.log_history[0]
    assert log["j1/unscored"] == 1 - len(ended) / len(written)
