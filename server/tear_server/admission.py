"""Who may ask now: so many reflections and tokens a minute for each key, and so many reflections at once for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from tear_chain.errors import InvalidRequest, Overloaded, RateLimited

RETRY_AFTER_S = 1.0
"""When to come again to a server that was full: soon, since an answer takes seconds."""


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_minute` at once at most, coming back evenly over a minute. It can be drawn into debt."""

    per_minute: int
    filled: float
    at_s: float

    @classmethod
    def full(cls, per_minute: int, *, now_s: float) -> Bucket:
        """A bucket that nobody has drawn from."""
        return cls(per_minute, float(per_minute), now_s)

    def left(self, *, now_s: float) -> int:
        """How many whole ones there are at the monotonic time `now_s`; 0 in debt."""
        self.filled = min(self.per_minute, self.filled + (now_s - self.at_s) * self.per_minute / 60)
        self.at_s = now_s
        return max(0, int(self.filled))

    def draw(self, amount: int, *, now_s: float) -> None:
        """Take as many, whether or not there are."""
        self.left(now_s=now_s)
        self.filled -= amount

    def full_in_s(self, level: float | None = None) -> float:
        """Seconds from the last look at it until it holds `level`, all that it can if not given."""
        return max(0.0, ((level or self.per_minute) - self.filled) * 60 / self.per_minute)


@dataclass(frozen=True, slots=True)
class Account:
    """What one key has asked for, against what it may."""

    name: str
    requests: Bucket | None = None
    """Reflections; a request without any counts as one. None: as many as it likes."""
    tokens: Bucket | None = None
    """Tokens read and written, charged when they have been; None: as many as it likes."""
    clock: Callable[[], float] = field(kw_only=True)

    def ask(self) -> None:
        """Take one request; `RateLimited` if requests or tokens are used up, and then nothing is taken."""
        for unit, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            if bucket is not None and bucket.left(now_s=self.clock()) < 1:
                wait_s = bucket.full_in_s(1)
                raise RateLimited(
                    f"The key {self.name} may use {bucket.per_minute} {unit} a minute. "
                    f"Come again in {math.ceil(wait_s)} s.",
                    retry_after_s=wait_s,
                )
        self.charge(requests=1)

    def charge(self, *, requests: int = 0, tokens: int = 0) -> None:
        """Take what turned out to be more; it may be a debt, which the next request waits for."""
        for amount, bucket in ((requests, self.requests), (tokens, self.tokens)):
            if bucket is not None:
                bucket.draw(amount, now_s=self.clock())


class Pool:
    """How many reflections are worked on at once; a request is admitted once, for all of its own."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0

    def enter(self, count: int = 1) -> None:
        """Go in; `Overloaded` if there is no room for as many. Whoever went in must `leave`."""
        if self.inside + count > self.limit:
            raise Overloaded(
                f"The server works on {self.limit} reflections, as many as it takes on at once.",
                retry_after_s=RETRY_AFTER_S,
            )
        self.inside += count

    def leave(self, count: int = 1) -> None:
        """Make room."""
        self.inside -= count


class Admission:
    """The place of one request: in the pool, and on its key's account if it has one."""

    def __init__(self, pool: Pool, account: Account | None) -> None:
        self._pool = pool
        self._account = account
        self._count = 0

    def enter(self) -> None:
        """Go in as one reflection; `Overloaded` if there is no room."""
        self._pool.enter()
        self._count = 1

    def widen(self, count: int, *, param: str) -> None:
        """Be let in for `count`; `Overloaded` if there is no room, `InvalidRequest` on `param` if there never is."""
        if count > self._pool.limit:
            raise InvalidRequest(
                f"{param} asks for {count} reflections; this server takes on {self._pool.limit} at once.", param=param
            )
        more = count - self._count
        self._pool.enter(more)
        self._count = count
        if self._account is not None:
            self._account.charge(requests=more)

    def leave(self) -> None:
        """Make the room that was taken."""
        self._pool.leave(self._count)

    def charge(self, tokens: int) -> None:
        """Put on the account what was used."""
        if self._account is not None:
            self._account.charge(tokens=tokens)
