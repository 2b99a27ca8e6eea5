"""Judge all of LLMBar's real pairs, and see what became of each judgment.

    python examples/02_llmbar.py path/to/LLMBar runs/quickstart/judge runs/llmbar

The quickstart's judge knows sums and nothing else, so it understands none of these: the point
is that every judgment ends in a status, none is lost, and none becomes a number by default.
Data: github.com/princeton-nlp/LLMBar.
"""

import json
import subprocess
import sys
from pathlib import Path

llmbar, judge, out = map(Path, sys.argv[1:4])
sets = sorted((llmbar / "Dataset" / "LLMBar").glob("**/dataset.json"))

out.mkdir(parents=True, exist_ok=True)
with (out / "pairs.jsonl").open("w", encoding="utf-8") as file:
    for path in sets:
        for number, pair in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            line = {
                "id": f"{path.parent.name}-{number}",
                "subset": path.parent.name,
                "prompt": pair["input"],
                "responses": [pair["output_1"], pair["output_2"]],
                "preferred": pair["label"] - 1,
            }
            file.write(json.dumps(line) + "\n")

command = ["j1", "judge", str(judge), "--data", str(out / "pairs.jsonl"), "--out", str(out)]
sys.exit(subprocess.run(command, check=False).returncode)
