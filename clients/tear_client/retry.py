"""Whether to try again after a failure, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx

from tear_client.errors import ServerUnreachable, StatusError

_FIRST_WAIT_S = 0.25
_SPREAD = 0.25
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client waits, and how often it comes back."""

    timeout: httpx.Timeout
    """Seconds of silence after which a request is given up, phase by phase."""
    retries: int
    """How often a request is tried again, at most."""
    longest_wait_s: float
    """A server that asks for a longer pause gets no retry; the caller is told instead."""

    def changed(self, *, timeout: float | httpx.Timeout | None, retries: int | None) -> Patience:
        """The same, but for what is not None."""
        return replace(
            self,
            timeout=self.timeout if timeout is None else to_timeout(timeout),
            retries=self.retries if retries is None else retries,
        )


def to_timeout(seconds_or_phases: float | httpx.Timeout) -> httpx.Timeout:
    """The patience of each phase; a server that lives takes a connection within seconds."""
    if isinstance(seconds_or_phases, httpx.Timeout):
        return seconds_or_phases
    return httpx.Timeout(seconds_or_phases, connect=min(seconds_or_phases, _CONNECT_TIMEOUT_S))


DEFAULT_PATIENCE = Patience(timeout=to_timeout(600.0), retries=2, longest_wait_s=30.0)


class Attempts:
    """The attempts at one request."""

    def __init__(self, patience: Patience, random: Callable[[], float]) -> None:
        self._patience = patience
        self._random = random
        self._retried = 0

    def next_wait_s(self, error: ServerUnreachable | StatusError) -> float | None:
        """Seconds to wait before the next attempt, None where there is to be none."""
        if not error.retryable or self._retried >= self._patience.retries:
            return None
        asked = error.retry_after_s
        wait_s = min(_FIRST_WAIT_S * 2.0**self._retried, self._patience.longest_wait_s) if asked is None else asked
        if wait_s > self._patience.longest_wait_s:
            return None
        self._retried += 1
        # Spread, so that clients which were refused together do not come back together.
        return wait_s * (1 + _SPREAD * self._random())
