"""An engine that says what it is told: for unit tests of what stands on the `Engine` protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress

from tear_chain.errors import EngineDead, EngineError
from tear_chain.words import Stage
from tear_server.engine import Chunk, Finish, Generation

UNLIKELY = -20.0


class ScriptedEngine:
    """Plays one token script per stage, as an engine would: it stops at a stop id or at the token limit."""

    def __init__(
        self,
        scripts: Mapping[Stage, Sequence[int]],
        *,
        logprobs: Mapping[int, float] | None = None,
        chunk_size: int = 1,
        cached_tokens: int = 0,
        hang_in: Stage | None = None,
        fail_in: Stage | None = None,
    ) -> None:
        self.scripts = scripts
        self.logprobs = logprobs or {}
        self.chunk_size = chunk_size
        self.cached_tokens = cached_tokens
        self.hang_in = hang_in
        """Says nothing in this stage, until it is closed."""
        self.fail_in = fail_in
        self.dead = False
        self.asked: list[Generation] = []
        self.closed: list[str] = []
        """Ids of generations whose iterator was closed or ran out: none may be left behind."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.asked.append(generation)
        stage = next(stage for stage in Stage if generation.id.endswith(stage.value))
        try:
            if self.hang_in is stage:
                await asyncio.Event().wait()
            if self.dead:
                raise EngineDead("The scripted engine is dead.")
            if self.fail_in is stage:
                raise EngineError("The scripted engine fails here.")
            tokens, finish = self._play(stage, generation)
            for start in range(0, len(tokens), self.chunk_size):
                part = tuple(tokens[start : start + self.chunk_size])
                last = start + self.chunk_size >= len(tokens)
                yield Chunk(
                    tokens=part,
                    watched=tuple(self._watched(generation) for _ in part) if generation.watch else (),
                    cached_tokens=self.cached_tokens,
                    finish=finish if last else None,
                )
                await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)  # aborting takes an engine a moment; who cancels that, too, leaves it at work
            self.closed.append(generation.id)

    async def health(self) -> None:
        if self.dead:
            raise EngineDead("The scripted engine is dead.")

    def _play(self, stage: Stage, generation: Generation) -> tuple[list[int], Finish]:
        script = list(self.scripts[stage])
        with suppress(StopIteration):
            end = next(index for index, token in enumerate(script) if token in generation.stop_ids)
            script = script[: end + 1]
            if len(script) <= generation.max_tokens:
                return script, Finish.STOP
        return script[: generation.max_tokens], Finish.LENGTH

    def _watched(self, generation: Generation) -> dict[int, float]:
        return {token: self.logprobs.get(token, UNLIKELY) for token in generation.watch}
