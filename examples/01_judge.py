"""A judge in ten lines: which response is better, is it the same in both orders, how good?

python examples/01_judge.py runs/quickstart/judge
"""

import sys

from j1sdk import JudgeRewardModel, JudgmentTask

judge = JudgeRewardModel.load(sys.argv[1])

task = JudgmentTask.from_pair("38+47", chosen="085", rejected="075")
result = judge.judge([task])[0]
print("preferred:", result.preferred, " both orders agree:", result.consistent)
for judgment in result.judgments:
    print(judgment.order, judgment.status, judgment.text)

ranked = judge.rank("38+47", ["075", "085", "084", "085"])
print("scores:", ranked.scores, " judgments spent:", len(ranked.judgments))
