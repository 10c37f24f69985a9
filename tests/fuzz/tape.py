"""A model that plays a tape: what it writes next depends on its place alone, however its writing is asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass

from tear_chain.errors import EngineError
from tear_server.engine import WATCHED_TOKENS, Chunk, Finish, Generation


@dataclass(frozen=True)
class Tape:
    """Tokens by their place after the conversation, and what comes when they are used up."""

    tokens: tuple[int, ...]
    filler: tuple[int, ...]
    """Over and over, without an end."""
    other: int
    """Written where an end is not yet allowed."""

    def at(self, place: int) -> int:
        if place < len(self.tokens):
            return self.tokens[place]
        return self.filler[(place - len(self.tokens)) % len(self.filler)]


class TapeEngine:
    """An engine at the seam: it stops as vLLM does, and hands its tokens on in parts of every size."""

    def __init__(self, *, origin: int) -> None:
        self._origin = origin
        """How many tokens come before the tape: the conversation and the first marker."""
        self.open = 0
        """Generations that are neither at their end nor closed."""

    def load(self, tape: Tape, *, seed: str, sizes: Sequence[int] = (1,), fail_at: int | None = None) -> None:
        """Play another tape. `sizes` are those of its parts, 0 a part without a token; it fails at `fail_at`."""
        self._tape, self._sizes, self._fail_at = tape, sizes, fail_at
        self._draw = random.Random(seed)
        self.written: dict[str, list[int]] = {}
        """What was handed on, by the last word of the generation's name."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.open += 1
        try:
            written = self.written.setdefault(generation.id.rpartition("-")[2], [])
            tokens, finish = self._play(generation)
            watched = self._watched(generation, tokens)
            while True:
                size = self._draw.choice(self._sizes)
                part, tokens = tokens[:size], tokens[size:]
                maps, watched = watched[:size], watched[size:]
                written += part
                is_last = not tokens
                yield Chunk(
                    tokens=tuple(part),
                    watched=tuple(maps),
                    cached_tokens=0,
                    finish=finish if is_last else None,
                    likeliest=tuple(self._likeliest(token) for token in part) if generation.top_logprobs else (),
                )
                if is_last:
                    if finish is None:
                        raise EngineError("The tape is torn here.")
                    return
                await asyncio.sleep(0)
        finally:
            self.open -= 1

    async def health(self) -> None:
        pass

    def _play(self, generation: Generation) -> tuple[list[int], Finish | None]:
        start = len(generation.prompt) - self._origin
        tokens: list[int] = []
        while True:
            if self._fail_at is not None and start + len(tokens) >= self._fail_at:
                return tokens, None
            token = self._tape.at(start + len(tokens))
            if token in generation.stop_ids and len(tokens) < generation.min_tokens:
                token = self._tape.other
            tokens.append(token)
            if token in generation.stop_ids:
                return tokens, Finish.STOP
            if len(tokens) == generation.max_tokens:
                return tokens, Finish.LENGTH

    def _likeliest(self, token: int) -> Mapping[int, float]:
        """The drawn one and two others, one of them no text."""
        return {token: -0.5, self._tape.other: -1.0, 2: -2.0}

    def _watched(self, generation: Generation, tokens: Sequence[int]) -> list[Mapping[int, float]]:
        """By the id alone, so that it does not matter which request asked."""
        if not generation.watch:
            return []
        found = {token: -float(token * 7 % 5) for token in generation.watch}
        if generation.watch_after is None:
            return [found] * len(tokens)
        before = (generation.prompt[-1], *tokens)
        begin = before.index(generation.watch_after) if generation.watch_after in before else len(tokens)
        return [found if begin <= place < begin + WATCHED_TOKENS else {} for place in range(len(tokens))]
