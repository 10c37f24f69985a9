"""Who may ask now: so many requests a minute for each key, and so many at once for all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tear_chain.errors import Overloaded, RateLimited

RETRY_AFTER_S = 1.0
"""When to come again to a server that was full: soon, since an answer takes seconds."""


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_minute` requests at once at most, coming back evenly over a minute."""

    per_minute: int
    filled: float
    at_s: float

    @classmethod
    def full(cls, per_minute: int, *, now_s: float) -> Bucket:
        """A bucket that nobody has drawn from."""
        return cls(per_minute, float(per_minute), now_s)

    def take(self, name: str, *, now_s: float) -> int:
        """Take one request at the monotonic time `now_s`; how many are left. `RateLimited` if there is none."""
        self.filled = min(self.per_minute, self.filled + (now_s - self.at_s) * self.per_minute / 60)
        self.at_s = now_s
        if self.filled < 1:
            wait_s = (1 - self.filled) * 60 / self.per_minute
            raise RateLimited(
                f"The key {name} may ask {self.per_minute} times a minute. Come again in {math.ceil(wait_s)} s.",
                retry_after_s=wait_s,
            )
        self.filled -= 1
        return int(self.filled)


class Pool:
    """How many requests are worked on at once; each is admitted once, for all its stages."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside = 0

    def enter(self) -> None:
        """Go in; `Overloaded` if it is full. Whoever went in must `leave`."""
        if self.inside >= self.limit:
            raise Overloaded(
                f"The server works on {self.limit} requests, as many as it takes on at once.",
                retry_after_s=RETRY_AFTER_S,
            )
        self.inside += 1

    def leave(self) -> None:
        """Make room."""
        self.inside -= 1
