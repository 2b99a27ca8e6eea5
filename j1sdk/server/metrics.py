"""What a server counts, for Prometheus and for its own page, and the page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from time import monotonic, time
from typing import Any, NamedTuple, get_args

import prometheus_client as prometheus

from j1sdk.adapters.scores import Outcome, Reason
from j1sdk.types import Conversation, Judgment, JudgmentStatus

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
"""Upper bounds of the latency histogram: from a scripted engine to a long thought."""
WINDOW = 60
"""Seconds that throughput and latency are shown for."""
MOST = 20_000
"""Requests remembered within them."""
LATEST = 30
"""Judgments shown."""
EXCERPT = 600
"""Characters shown of each text."""


class Meter:
    """Counts what happens, in a registry of its own."""

    def __init__(self, pending: Callable[[], float], ready: Callable[[], float]) -> None:
        self.history = History()
        self.registry = own = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "j1_requests", "Requests answered.", ("route", "code"), registry=own
        )
        self._seconds = prometheus.Histogram(
            "j1_request_seconds", "Time to the answer.", ("route",), registry=own, buckets=SECONDS
        )
        self._judgments = prometheus.Counter(
            "j1_judgments", "Judgments made.", ("status",), registry=own
        )
        self._unscored = prometheus.Counter(
            "j1_unscored",
            "Responses answered without a score of their own.",
            ("reason",),
            registry=own,
        )
        self._scored = prometheus.Counter("j1_scored", "Responses scored.", registry=own)
        self._shared = prometheus.Counter(
            "j1_shared", "Requests that joined a judgment already under way.", registry=own
        )
        self._cohorts = prometheus.Counter(
            "j1_cohorts",
            "Cohorts ranked whole, incomplete, or left alone.",
            ("outcome",),
            registry=own,
        )
        self._tokens = prometheus.Counter(
            "j1_tokens", "Tokens of the judge.", ("kind",), registry=own
        )
        self._calls = prometheus.Counter(
            "j1_engine_calls", "Completions the engine made.", registry=own
        )
        prometheus.Gauge("j1_pending", "Responses being judged.", registry=own).set_function(
            pending
        )
        prometheus.Gauge("j1_ready", "Whether the engine has answered.", registry=own).set_function(
            ready
        )
        self._start_at_zero()

    def request(self, route: str, code: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(code)).inc()
        self._seconds.labels(route).observe(seconds)

    def judged(
        self, prompt: Conversation, responses: Sequence[str], judgments: Sequence[Judgment]
    ) -> None:
        """Judgments were made, whoever asked for them."""
        for judgment in judgments:
            self._judgments.labels(judgment.status.value).inc()
            self._tokens.labels("prompt").inc(judgment.usage.prompt_tokens)
            self._tokens.labels("completion").inc(judgment.usage.completion_tokens)
            self._calls.inc(judgment.usage.calls)
        self.history.judged(prompt, responses, judgments)

    def answered(self, outcome: Outcome) -> None:
        """A response got its outcome."""
        if outcome.reason:
            self._unscored.labels(outcome.reason).inc()
        else:
            self._scored.inc()

    def shared(self) -> None:
        """A request joined a judgment already under way."""
        self._shared.inc()

    def cohort(self, outcome: str) -> None:
        """A cohort was ranked `whole` or `incomplete`, or `alone` could not be."""
        self._cohorts.labels(outcome).inc()

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return prometheus.generate_latest(self.registry)

    def _start_at_zero(self) -> None:
        """Show every series from the start: a rate over one that appears late misses its first."""
        for status in JudgmentStatus:
            self._judgments.labels(status.value)
        for reason in get_args(Reason):
            self._unscored.labels(reason)
        for outcome in ("whole", "incomplete", "alone"):
            self._cohorts.labels(outcome)
        for kind in ("prompt", "completion"):
            self._tokens.labels(kind)


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


PAGE = files("j1sdk.server").joinpath("page.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """What a browser may run or apply, by digest: nothing that a response could smuggle in."""
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL)
    digests = [b64encode(sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')};"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the URL may hold the token
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
