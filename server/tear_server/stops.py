"""Stop strings over streamed text."""

from __future__ import annotations

from collections.abc import Sequence


class StopMatcher:
    """Passes text on until a stop string comes; holds back what may be the beginning of one.

    >>> matcher = StopMatcher(["END"])
    >>> matcher.feed("one E"), matcher.feed("ND two"), matcher.stopped
    ('one ', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """The text that is certain to come before any stop string."""
        if not self._stops or self.stopped:
            return "" if self.stopped else text
        self._held += text
        found = [(place + len(stop), place) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            # The one that is whole first, so that it makes no difference in which parts the text came.
            _, place = min(found)
            self.stopped = True
            passed, self._held = self._held[:place], ""
            return passed
        keep = max(self._overlap(stop) for stop in self._stops)
        passed, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return passed

    def flush(self) -> str:
        """What was held back, now that no more text comes."""
        held, self._held = self._held, ""
        return held

    def _overlap(self, stop: str) -> int:
        """Length of the longest end of the held text that begins `stop`."""
        longest = min(len(stop) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(stop[:size])), 0)
