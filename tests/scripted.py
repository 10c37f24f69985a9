"""An engine that says what it is told: for unit tests of what stands on the `Engine` protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from tear_chain.errors import EngineDead, EngineError
from tear_chain.words import Stage
from tear_server.engine import Chunk, Finish, Generation

UNLIKELY = -20.0
DRAWN = -0.5
"""Log-probability of every token that is drawn; the others follow it in steps of one."""


class ScriptedEngine:
    """Plays one token script per stage, as an engine would: it stops at a stop id or at the token limit.

    A script that ends with a token of `leads_to` is followed by that stage's, all in one request.
    """

    def __init__(
        self,
        scripts: Mapping[Stage, Sequence[int]],
        *,
        leads_to: Mapping[int, Stage] | None = None,
        logprobs: Mapping[int, float] | None = None,
        chunk_size: int = 1,
        cached_tokens: int = 0,
        hang_in: Stage | None = None,
        hang_after: int = 0,
        on_hang: Callable[[], None] | None = None,
        fail_in: Stage | None = None,
    ) -> None:
        self.scripts = scripts
        self.leads_to = leads_to or {}
        self.logprobs = logprobs or {}
        self.chunk_size = chunk_size
        self.cached_tokens = cached_tokens
        self.hang_in = hang_in
        """Says nothing in this stage after `hang_after` tokens, until it is closed."""
        self.hang_after = hang_after
        self.on_hang = on_hang
        """Called instead of hanging; it then goes on."""
        self.fail_in = fail_in
        self.dead = False
        self.asked: list[Generation] = []
        self.reached: list[Stage] = []
        """The stages it began to write, in turn."""
        self.closed: list[str] = []
        """Ids of generations whose iterator was closed or ran out: none may be left behind."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.asked.append(generation)
        first = next(stage for stage in Stage if stage.value in generation.id)
        try:
            if self.dead:
                raise EngineDead("The scripted engine is dead.")
            scenes, finish = self.play(first, generation)
            for number, (stage, tokens) in enumerate(scenes, start=1):
                self.reached.append(stage)
                if self.fail_in is stage:
                    raise EngineError("The scripted engine fails here.")
                for start in range(0, len(tokens), self.chunk_size):
                    if self.hang_in is stage and start >= self.hang_after:
                        await self._hang()
                    part = tuple(tokens[start : start + self.chunk_size])
                    last = number == len(scenes) and start + self.chunk_size >= len(tokens)
                    yield Chunk(
                        tokens=part,
                        watched=tuple(self._watched(generation) for _ in part) if generation.watch else (),
                        cached_tokens=self.cached_tokens,
                        finish=finish if last else None,
                        likeliest=tuple(self._likeliest(token, generation) for token in part)
                        if generation.top_logprobs is not None
                        else (),
                    )
                    await asyncio.sleep(0)
        finally:
            await asyncio.sleep(0)  # aborting takes an engine a moment; who cancels that, too, leaves it at work
            self.closed.append(generation.id)

    async def health(self) -> None:
        if self.dead:
            raise EngineDead("The scripted engine is dead.")

    def play(self, stage: Stage, generation: Generation) -> tuple[list[tuple[Stage, list[int]]], Finish]:
        """What a generation that begins in `stage` writes, stage by stage, and how it ends."""
        scenes: list[tuple[Stage, list[int]]] = []
        room = generation.max_tokens
        while True:
            script = self.scripts[stage]
            end = next((index for index, token in enumerate(script, 1) if token in generation.stop_ids), None)
            scenes.append((stage, list(script[: min(end or len(script), room)])))
            room -= len(scenes[-1][1])
            following = self.leads_to.get(script[-1]) if script else None
            if end is not None and len(scenes[-1][1]) == end:
                return scenes, Finish.STOP
            if room == 0 or following is None:
                return scenes, Finish.LENGTH
            stage = following

    async def _hang(self) -> None:
        if self.on_hang is None:
            await asyncio.Event().wait()
        else:
            self.on_hang()

    def _likeliest(self, drawn: int, generation: Generation) -> dict[int, float]:
        others = (token for token in range(2, 2 + (generation.top_logprobs or 0)) if token != drawn)
        return {drawn: DRAWN, **{token: DRAWN - place for place, token in enumerate(others, start=1)}}

    def _watched(self, generation: Generation) -> dict[int, float]:
        return {token: self.logprobs.get(token, UNLIKELY) for token in generation.watch}
