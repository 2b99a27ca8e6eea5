"""What commands say of long work where there is no terminal to draw a bar on."""

from __future__ import annotations

import pytest

from j1sdk.cli import console
from j1sdk.cli.console import log_line, progress_bars


def test_a_line_now_and_then_and_one_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 1000, 10))  # each look at the clock is ten later
    monkeypatch.setattr(console, "monotonic", lambda: next(seconds))
    with progress_bars() as start:
        tell = start("Judging")
        for done in range(1, 8):
            tell(done, 7)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "Judging: 3 of 7", "Judging: 6 of 7", "Judging: 7 of 7",
    ]  # fmt: skip


def test_a_line_of_a_log_has_what_is_known_of_it() -> None:
    logged = {"loss": 0.25, "judge/accuracy": 0.7123, "grad_norm": 3.0}
    line = log_line("Training (grpo)", 1040, 2000, logged)
    assert line == "Training (grpo): step 1,040 of 2,000, loss 0.25, judge/accuracy 0.712"
