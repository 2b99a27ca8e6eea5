"""Train a policy with TRL, the judge its only reward.

    python examples/04_policy.py runs/quickstart runs/policy

The judge ranks the answers of each group against each other; nobody tells it the right one.
"""

import sys
from pathlib import Path

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from j1sdk import JudgeRewardModel

quickstart, out = map(Path, sys.argv[1:3])
judge = JudgeRewardModel.load(quickstart / "judge")
prompts = [[{"role": "user", "content": f"{a:02}+{b:02}"}] for a in range(4) for b in range(90, 94)]

trainer = GRPOTrainer(
    model=str(quickstart / "stages" / "policy_warm_start"),
    reward_funcs=judge.as_reward_function("trl"),
    train_dataset=Dataset.from_dict({"prompt": prompts}),
    args=GRPOConfig(
        output_dir=str(out), use_cpu=True, bf16=False, max_steps=2, num_generations=4,
        per_device_train_batch_size=16, max_completion_length=6, report_to="none",
    ),
)  # fmt: skip
trainer.train()
trainer.save_model(str(out))
