"""What a server says instead of an answer."""

from __future__ import annotations

RETRY_AFTER = 1
"""Seconds; OpenRLHF waits as long between two tries."""


class Refusal(Exception):
    """A request is answered with this status; raised at any depth below a route."""

    status = 400
    retry_after: int | None = None


class Unreadable(Refusal):
    """The body is not what the route takes."""

    status = 422


class TooLarge(Refusal):
    """More than the server's limits allow."""

    status = 413


class Slow(Refusal):
    """The body has not arrived in time."""

    status = 408


class Foreign(Refusal):
    """Sent by a page of another site, through a browser on this machine."""

    status = 403


class NotJson(Refusal):
    """A body of a type that a page of any site may send."""

    status = 415


class Overfull(Refusal):
    """More rollouts of one prompt than its cohort has places."""

    status = 409


class Busy(Refusal):
    """As much is being judged as the server takes on."""

    status = 429
    retry_after = RETRY_AFTER


class Closing(Refusal):
    """The server finishes what it has accepted and takes nothing new."""

    status = 503
    retry_after = RETRY_AFTER


class NotReady(Refusal):
    """The engine has not answered yet."""

    status = 503
    retry_after = RETRY_AFTER


class NotScored(Refusal):
    """A response has no score and the policy is "error"."""

    status = 503
    retry_after = RETRY_AFTER


class Gone(Refusal):
    """The client has hung up; nobody reads this."""

    status = 499


class Unknown(Refusal):
    """No token, or a wrong one."""

    status = 401
