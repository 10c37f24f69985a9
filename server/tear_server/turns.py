"""One generation in turns, so that an engine watches only the tokens that it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tear_server.engine import WATCHED_TOKENS, Finish, Generation


@dataclass(frozen=True, slots=True)
class Turn:
    """A part of a generation; the engine keeps what it has computed of the parts before."""

    prompt: tuple[int, ...]
    """What comes after all that was read and written but for the last token written: that is drawn, not yet read."""
    max_tokens: int
    min_tokens: int
    stop_ids: frozenset[int]
    watch: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of some tokens of the engine."""

    tokens: tuple[int, ...]
    """Those that belong to the generation."""
    is_watched: tuple[bool, ...]
    """One for each."""
    finish: Finish | None
    then: Turn | None
    """What to have the engine do next."""


class _Place(Enum):
    BEFORE = auto()
    WATCHED = auto()
    AFTER = auto()


class Turns:
    """Where a generation with `watch_after` stands: before that token, at the watched ones, or after them.

    The turn that is watched can be handed over together with the first: its prompt is known to be `watch_after`. If
    the first ends with another token, so does the generation, and what the engine wrote beyond is dropped.
    """

    def __init__(self, generation: Generation) -> None:
        assert generation.watch_after is not None, "without it there is but one turn"
        self._generation = generation
        self._watch_after = generation.watch_after
        self._left = generation.max_tokens
        self._to_watch = WATCHED_TOKENS
        self._place = _Place.WATCHED if generation.prompt[-1] == generation.watch_after else _Place.BEFORE

    def first(self) -> tuple[Turn, ...]:
        """The turns to begin with."""
        given = self._generation
        if self._place is _Place.WATCHED:
            return (self._watched_turn(given.prompt, given.min_tokens),)
        stops = given.stop_ids | {self._watch_after}
        first = Turn(given.prompt, given.max_tokens, given.min_tokens, stops, watch=())
        return first, self._watched_turn((self._watch_after,), 0)

    def read(self, tokens: Sequence[int]) -> Reading:
        """Go on by `tokens`."""
        taken: list[bool] = []
        for index, token in enumerate(tokens, start=1):
            taken.append(self._place is _Place.WATCHED)
            self._left -= 1
            if token in self._generation.stop_ids:
                return self._reading(tokens[:index], taken, Finish.STOP)
            if self._left == 0:
                return self._reading(tokens[:index], taken, Finish.LENGTH)
            if self._place is _Place.BEFORE and token == self._watch_after:
                self._place = _Place.WATCHED
            elif self._place is _Place.WATCHED:
                self._to_watch -= 1
                if self._to_watch == 0:
                    self._place = _Place.AFTER
                    then = Turn((token,), self._left, 0, self._generation.stop_ids, watch=())
                    return self._reading(tokens[:index], taken, None, then)
        return self._reading(tokens, taken, None)

    def _watched_turn(self, prompt: tuple[int, ...], min_tokens: int) -> Turn:
        given = self._generation
        return Turn(prompt, min(WATCHED_TOKENS, given.max_tokens), min_tokens, given.stop_ids, given.watch)

    def _reading(
        self, tokens: Sequence[int], taken: list[bool], finish: Finish | None, then: Turn | None = None
    ) -> Reading:
        return Reading(tuple(tokens), tuple(taken), finish, then)
