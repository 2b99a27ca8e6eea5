"""What the page on trust shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "trust.md").read_text(encoding="utf-8")


def test_a_folder_that_sends_things_elsewhere_wants_trust(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *_, refusal, url = done.stdout.splitlines()
    assert "openai sends what is judged to elsewhere.example. If you trust" in refusal
    assert url == "https://elsewhere.example/v1"
