"""Running OpenRLHF on a Ray cluster from outside of it, as a job."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import uuid4

from pydantic import Field

from j1sdk.component import Value
from j1sdk.errors import ConfigError

logger = logging.getLogger(__name__)
RAY = "ray.scripts.scripts"
STOP_SECONDS = 60.0


class Job(Value):
    """Where to submit it, and what Ray calls its runtime environment."""

    address: str = Field(pattern=r"^(https?|ray)://")
    """Of the cluster's dashboard: http://HEAD:8265."""
    environment: dict[str, str] = {}
    """Variables of the job and of all its workers."""
    working_dir: str | None = None
    """A folder whose files go along, or the URL of a zip archive."""
    python: str = "python"
    """The interpreter there, of an environment with OpenRLHF and this package."""

    def submission(self, words: Sequence[str], *more: str) -> list[str]:
        """The words behind `ray` that submit a command; `more` are options of Ray's."""
        described = {"env_vars": self.environment, "working_dir": self.working_dir}
        given = {name: value for name, value in described.items() if value}
        options = [f"--runtime-env-json={json.dumps(given)}"] if given else []
        return [
            *("job", "submit", f"--address={self.address}", *options, *more),
            *("--", *map(carried, words)),
        ]

    @contextmanager
    def submitted(self, words: Sequence[str]) -> Iterator[list[str]]:
        """The command that submits and follows; a job that is not followed to its end is stopped.

        Ray's own command ends without its job when it is interrupted.
        """
        name = f"j1-{uuid4().hex[:12]}"
        try:
            ray = [sys.executable, "-m", RAY]
            yield [*ray, *self.submission(words, f"--submission-id={name}")]
        except BaseException:  # an interrupt above all
            logger.warning("stopping the job %s", name)
            stop = [*ray, "job", "stop", f"--address={self.address}", name]
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(stop, capture_output=True, timeout=STOP_SECONDS, check=False)
            raise


def carried(word: str) -> str:
    """A word as Ray has to be given it, to reach the job's shell as it is; raises ConfigError.

    Ray puts words with blanks in double quotes, and leaves others to the shell as they are.
    """
    blank = not word or " " in word or "\t" in word
    if set(word) & set('"\n$`\\' if blank else '"\n'):
        raise ConfigError(f"Ray's command line cannot carry {word!r} to a job: spell it otherwise")
    return word if blank else re.sub(r"([^\w%+=:,./@-])", r"\\\1", word)
