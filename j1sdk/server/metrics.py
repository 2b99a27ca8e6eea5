"""What a server counts: for Prometheus, and for its own page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from j1sdk.server.history import History
from j1sdk.server.outcomes import Outcome, Reason
from j1sdk.types import Conversation, Judgment, JudgmentStatus

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
"""Upper bounds of the latency histogram: from a scripted engine to a long thought."""


class Meter:
    """Counts what happens, in a registry of its own."""

    def __init__(self, pending: Callable[[], float], ready: Callable[[], float]) -> None:
        self.history = History()
        self.registry = own = CollectorRegistry()
        self._requests = Counter(
            "j1_requests", "Requests answered.", ("route", "code"), registry=own
        )
        self._seconds = Histogram(
            "j1_request_seconds", "Time to the answer.", ("route",), registry=own, buckets=SECONDS
        )
        self._judgments = Counter("j1_judgments", "Judgments made.", ("status",), registry=own)
        self._unscored = Counter(
            "j1_unscored", "Responses answered without a score of their own.", ("reason",),
            registry=own,
        )  # fmt: skip
        self._scored = Counter("j1_scored", "Responses scored.", registry=own)
        self._shared = Counter(
            "j1_shared", "Requests that joined a judgment already under way.", registry=own
        )
        self._cohorts = Counter(
            "j1_cohorts", "Cohorts ranked whole, incomplete, or left alone.", ("outcome",),
            registry=own,
        )  # fmt: skip
        self._tokens = Counter("j1_tokens", "Tokens of the judge.", ("kind",), registry=own)
        self._calls = Counter("j1_engine_calls", "Completions the engine made.", registry=own)
        Gauge("j1_pending", "Responses being judged.", registry=own).set_function(pending)
        Gauge("j1_ready", "Whether the engine has answered.", registry=own).set_function(ready)
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
        return generate_latest(self.registry)

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
