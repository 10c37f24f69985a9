"""One engine request for as many stages as possible."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from tear_server.engine import Chunk, Engine, Finish, Generation

_UNWATCHED: Mapping[int, float] = {}


@dataclass(frozen=True, slots=True)
class Course:
    """What one reflection may ask of the engine beyond its present stage."""

    stop_ids: frozenset[int]
    """What ends the chain; what ends a stage is in its generation."""
    max_tokens: int
    """What all stages together may write."""
    watch: tuple[int, ...]
    """Ids whose log-probabilities are wanted after `watch_after`."""
    watch_after: int


class Relay:
    """Answers the generations of one reflection, in turn, from as few engine requests as it can.

    A request is made for the whole course, so that it writes on past the end of a stage. The next generation takes
    over where the last one ended if its prompt is exactly what the request has read and written; if not, because a
    stage was cut, stopped or overruled, the request is aborted and another made. So a chain that nobody touches takes
    one request, and each stage still sees an engine of its own.
    """

    def __init__(self, engine: Engine, course: Course | None) -> None:
        self._engine = engine
        self._course = course
        """None: every generation is a request of its own."""
        self._left = 0 if course is None else course.max_tokens
        self._request: AsyncGenerator[Chunk, None] | None = None
        self._known: list[int] = []
        """What the running request has read, and what the stages have taken of its writing."""
        self._ahead: Chunk | None = None
        """What it has written beyond that."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._abort()

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """Stream one stage, as `Engine.generate` does; closing this does not yet abort the request."""
        course, taken, cached_tokens, is_first = self._course, 0, 0, True
        if self._request is not None and tuple(self._known) == generation.prompt:
            cached_tokens, is_first = len(generation.prompt), False
        else:
            await self._ask(generation if course is None else self._along(course, generation))
        while True:
            chunk = await self._read()
            size, finish = _share(chunk, generation, taken=taken)
            if course is not None and finish is Finish.STOP and taken + size <= generation.min_tokens:
                # The engine keeps a request from ending too soon, but not a stage in the midst of one.
                course, is_first = None, True
                await self._ask(generation)
                continue
            mine, self._ahead = _divide(chunk, size)
            taken += size
            self._left -= size
            self._known += mine.tokens
            if is_first:
                cached_tokens = chunk.cached_tokens  # some engines know it only at the end
            if chunk.finish is not None and self._ahead is None:
                await self._abort()
            watched = mine.watched or tuple(_UNWATCHED for _ in mine.tokens)
            yield replace(mine, watched=watched, cached_tokens=cached_tokens, finish=finish)
            if finish is not None:
                return

    def _along(self, course: Course, generation: Generation) -> Generation:
        """The rest of the course from the generation's prompt on."""
        return replace(
            generation,
            stop_ids=course.stop_ids,
            watch=course.watch,
            watch_after=course.watch_after,
            max_tokens=max(self._left, generation.max_tokens),
        )

    async def _ask(self, generation: Generation) -> None:
        await self._abort()
        self._request = self._engine.generate(generation)
        self._known = list(generation.prompt)

    async def _read(self) -> Chunk:
        if self._ahead is not None:
            return self._ahead
        assert self._request is not None, "a stage is read only while its request runs"
        return await anext(self._request)

    async def _abort(self) -> None:
        request, self._request, self._ahead = self._request, None, None
        if request is not None:
            await request.aclose()

    async def health(self) -> None:
        """As the engine beneath."""
        await self._engine.health()


def _share(chunk: Chunk, generation: Generation, *, taken: int) -> tuple[int, Finish | None]:
    """How many of the chunk's tokens belong to the stage, and whether it ends with them."""
    for index, token in enumerate(chunk.tokens, start=1):
        if token in generation.stop_ids:
            return index, Finish.STOP
        if taken + index == generation.max_tokens:
            return index, Finish.LENGTH
    return len(chunk.tokens), chunk.finish


def _divide(chunk: Chunk, size: int) -> tuple[Chunk, Chunk | None]:
    """The first `size` tokens, and the rest if there are any."""
    if size == len(chunk.tokens):
        return chunk, None
    head = replace(chunk, tokens=chunk.tokens[:size], watched=chunk.watched[:size], finish=None)
    return head, replace(chunk, tokens=chunk.tokens[size:], watched=chunk.watched[size:])
