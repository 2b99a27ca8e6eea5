"""The last minutes of a server, for its page."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from time import monotonic, time
from typing import Any, NamedTuple

from j1sdk.types import Conversation, Judgment, JudgmentStatus

WINDOW = 60
"""Seconds that throughput and latency are shown for."""
MOST = 20_000
"""Requests remembered within them."""
LATEST = 30
"""Judgments shown."""
EXCERPT = 600
"""Characters shown of each text."""


class Seen(NamedTuple):
    """A judgment and what it was shown."""

    number: int
    time: float
    prompt: Conversation
    responses: tuple[str, ...]
    judgment: Judgment


class History:
    """What the page shows, besides what is counted for ever."""

    def __init__(self) -> None:
        self._requests: deque[tuple[float, float, bool]] = deque(maxlen=MOST)
        self._statuses: Counter[str] = Counter()
        self._latest: deque[Seen] = deque(maxlen=LATEST)
        self._started = monotonic()
        self.since = time()

    def request(self, seconds: float, ok: bool) -> None:
        """A scoring request was answered, or refused."""
        self._requests.append((monotonic(), seconds, ok))

    def judged(
        self, prompt: Conversation, responses: Sequence[str], judgments: Sequence[Judgment]
    ) -> None:
        """Judgments of these responses were made."""
        for judgment in judgments:
            self._statuses[judgment.status.value] += 1
            number = self._statuses.total()
            self._latest.appendleft(Seen(number, time(), prompt, tuple(responses), judgment))

    def summary(self) -> dict[str, Any]:
        """Throughput and latency of the last minute, statuses so far, the last judgments."""
        now = monotonic()
        recent = [one for one in self._requests if now - one[0] < WINDOW]
        taken = sorted(seconds for _, seconds, ok in recent if ok)
        return {
            "uptime_seconds": now - self._started,
            "window_seconds": WINDOW,
            "throughput": _per_second(now, [when for when, _, ok in recent if ok]),
            "refused": sum(not ok for _, _, ok in recent),
            "latency": {"p50": _quantile(taken, 0.5), "p99": _quantile(taken, 0.99)},
            "statuses": {status.value: self._statuses[status.value] for status in JudgmentStatus},
            "latest": [_shown(seen) for seen in self._latest],
        }


def _per_second(now: float, times: Sequence[float]) -> list[int]:
    """Answers in each whole second of the window, the last one last."""
    counts = Counter(int(now - when) for when in times)
    return [counts[ago] for ago in reversed(range(WINDOW))]


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value that this share is not above."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _shown(seen: Seen) -> dict[str, Any]:
    judgment = seen.judgment
    return {
        "number": seen.number,
        "time": seen.time,
        "status": judgment.status.value,
        "detail": judgment.detail,
        "scores": judgment.scores,
        "order": judgment.order,
        "prompt": _excerpt(seen.prompt[-1].content),
        "responses": [_excerpt(seen.responses[index]) for index in judgment.order],
        "text": _excerpt(judgment.text),
    }


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]} …"
