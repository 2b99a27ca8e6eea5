"""SELF-JUDGE, second stage: a model's answers are improved by its own verdicts, with TRL.

    python examples/recipes/self_judge_policy.py runs/self-judge/judge prompts.jsonl runs/policy

Policy and judge start from the same weights; the judge stays as it is. prompts.jsonl holds a
{"prompt": ...} per line. At the end the policy's best of four answers is picked by the same judge.
"""

import json
import sys
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

from j1sdk import JudgeRewardModel

model, prompts, out = sys.argv[1:4]
lines = [json.loads(line) for line in Path(prompts).read_text(encoding="utf-8").splitlines()]
asked = [[{"role": "user", "content": line["prompt"]}] for line in lines]
judge = JudgeRewardModel.load(model)
options = json.loads(sys.argv[4]) if len(sys.argv) > 4 else {}  # any of TRL's own

trainer = OnlineDPOTrainer(
    model=model,
    reward_funcs=judge.as_reward_function(
        "trl", group_size=2, online_dpo=True, unscored="group"
    ),
    train_dataset=Dataset.from_dict({"prompt": asked}),
    processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"),
    peft_config=LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"),
    args=OnlineDPOConfig(
        **{
            "output_dir": out, "learning_rate": 5e-6, "beta": 0.1, "num_train_epochs": 3,
            "warmup_steps": 0.1, "temperature": 1.0, "top_p": 0.9, "max_new_tokens": 768,
            "max_length": 2048, "per_device_train_batch_size": 8, "report_to": "none", **options,
        }
    ),
)  # fmt: skip
trainer.train()
trainer.model.merge_and_unload().save_pretrained(out)
trainer.processing_class.save_pretrained(out)
