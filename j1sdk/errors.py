"""Everything j1sdk raises on purpose.

    J1Error
    ├── ConfigError            what was asked for cannot work (also a ValueError)
    │   ├── MissingExtraError  a heavy dependency is not installed (also an ImportError)
    │   └── PluginError        a plugin is broken, or two plugins offer one name
    ├── DataError              a file or record is not what it should be (also a ValueError)
    ├── StorageError           a file cannot be written, as on a full disk (also an OSError)
    ├── JudgmentError          this judgment has no score; never leaves the driver
    │   ├── Unparseable
    │   └── OutOfRange
    ├── EngineError            the model could not be reached or failed
    ├── TrainingError          a trainer that runs outside of us failed
    └── UnscoredError          a framework needs a number and the run's policy is "error"

A message says what is wrong, where, and what to type next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class J1Error(Exception):
    """Base of every error j1sdk raises on purpose."""


class ConfigError(J1Error, ValueError):
    """What was asked for cannot work."""


class MissingExtraError(ConfigError, ImportError):
    """A heavy dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs {package}, which is not installed: pip install 'j1sdk[{extra}]'"
        )


class PluginError(ConfigError):
    """A plugin is broken, or two plugins offer one name."""


class DataError(J1Error, ValueError):
    """A file or a record in it is not what it should be."""


class StorageError(J1Error, OSError):
    """A file cannot be written: the disk is full, or the folder is not ours."""


class JudgmentError(J1Error):
    """Raised by format authors when a judge's answer has no score; caught by the driver."""


class Unparseable(JudgmentError):
    """The answer asked for is not there, or is there twice and disagrees."""


class OutOfRange(JudgmentError):
    """A score was given, but outside the range that was asked for."""


class EngineError(J1Error):
    """The model could not be reached or failed."""


class TrainingError(J1Error):
    """A trainer that runs outside of us failed; the message has its last words."""


class UnscoredError(J1Error):
    """A framework needs a number for a failed judgment and the run's policy is "error"."""


ELSEWHERE = {
    "api_base": ("base_url",),
    "batch_size": ("tasks_per_step", "prompts_per_step", "micro_batch"),
    "beta": ("kl",),
    "file": ("path",),
    "group_size": ("rollouts", "samples"),
    "init_kl_coef": ("kl",),
    "kl_coef": ("kl",),
    "lr": ("learning_rate",),
    "max_completion_length": ("max_new_tokens",),
    "max_length": ("max_new_tokens", "context"),
    "max_steps": ("steps",),
    "max_tokens": ("max_new_tokens",),
    "model_name_or_path": ("model",),
    "n": ("rollouts", "samples"),
    "num_episodes": ("epochs",),
    "num_generations": ("rollouts", "samples"),
    "num_train_epochs": ("epochs",),
    "per_device_train_batch_size": ("micro_batch", "batch_size"),
    "temp": ("temperature",),
    "url": ("base_url",),
}
"""What other libraries call an option, and what it may be called here."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a near miss, or the known words, or nothing."""
    known = sorted(known)
    if here := [name for name in ELSEWHERE.get(word, ()) if name in known]:
        return f"; did you mean {here[0]!r}?"
    if close := get_close_matches(word, known, n=1):
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if known else ""


def explain(error: ValidationError | ConfigError) -> list[str]:
    """A validation's complaints as lines: the key, and what is wrong with it."""
    if isinstance(error, ConfigError):
        return [str(error)]
    lines = []
    for problem in error.errors(include_url=False):
        key, message = ".".join(map(str, problem["loc"])), problem["msg"]
        message = message.removeprefix("Value error, ").replace("a valid tuple", "a list")
        lines.append(f"{key}: {message}" if key else message)
    return lines
