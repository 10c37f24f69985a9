from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from tear_server.engine import Chunk, Finish, Generation, Sampling
from tear_server.relay import Course, Relay

WEIGHT, MARK, END = 90, 91, 92
COURSE = Course(stop_ids=frozenset({END}), max_tokens=100, watch=(1, 2), watch_after=WEIGHT)


class Parrot:
    """Writes its words from where the prompt stops in them, `size` tokens to a chunk, until a stop id or the limit."""

    def __init__(self, words: Sequence[int], *, size: int = 1) -> None:
        self.words, self.size = tuple(words), size
        self.asked: list[Generation] = []
        self.open = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.asked.append(generation)
        self.open += 1
        try:
            said: list[int] = []
            for token in self.words[len(generation.prompt) - 1 :][: generation.max_tokens]:
                said.append(token)
                stopped = token in generation.stop_ids
                if stopped or len(said) % self.size == 0:
                    yield self._chunk(generation, said, Finish.STOP if stopped else None)
                    said = []
                if stopped:
                    return
            yield self._chunk(generation, said, Finish.LENGTH)
        finally:
            self.open -= 1

    def _chunk(self, generation: Generation, said: list[int], finish: Finish | None) -> Chunk:
        watched = tuple(dict.fromkeys(generation.watch, -1.0) for _ in said) if generation.watch else ()
        return Chunk(tuple(said), watched=watched, cached_tokens=7, finish=finish)

    async def health(self) -> None: ...


def stage(*prompt: int, stops: frozenset[int] = frozenset({MARK, END}), limit: int = 50) -> Generation:
    return Generation(
        id="stage", prompt=prompt, max_tokens=limit, stop_ids=stops, sampling=Sampling(), watch=(1, 2), min_tokens=1
    )


async def read(relay: Relay, generation: Generation) -> tuple[list[int], list[Chunk]]:
    chunks = [chunk async for chunk in relay.generate(generation)]
    return [token for chunk in chunks for token in chunk.tokens], chunks


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_the_next_stage_takes_over_where_the_last_one_ended(size: int) -> None:
    engine = Parrot([10, 11, MARK, 12, 13, END], size=size)
    async with Relay(engine, COURSE) as relay:
        first, chunks = await read(relay, stage(0))
        second, later = await read(relay, stage(0, 10, 11, MARK))
    assert (first, second, len(engine.asked)) == ([10, 11, MARK], [12, 13, END], 1)
    assert (chunks[-1].finish, later[-1].finish) == (Finish.STOP, Finish.STOP)
    assert (chunks[0].cached_tokens, later[0].cached_tokens) == (7, 4)


@pytest.mark.parametrize("size", [1, 3])
async def test_a_stage_that_begins_elsewhere_aborts_the_request_and_asks_anew(size: int) -> None:
    engine = Parrot([10, 11, MARK, 12, 13, END], size=size)
    async with Relay(engine, COURSE) as relay:
        await read(relay, stage(0))
        assert engine.open == 1
        other, _ = await read(relay, stage(0, 99, 99, MARK))
        assert [each.prompt for each in engine.asked] == [(0,), (0, 99, 99, MARK)]
    assert (other, engine.open) == ([12, 13, END], 0)


async def test_the_request_is_watched_only_after_the_weight() -> None:
    engine = Parrot([10, WEIGHT, 1, 12, END])
    async with Relay(engine, COURSE) as relay:
        await read(relay, stage(0))
    assert [(each.watch, each.watch_after, each.stop_ids) for each in engine.asked] == [((1, 2), WEIGHT, {END})]


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_a_stage_ends_at_its_own_limit(size: int) -> None:
    engine = Parrot([10, 11, 12, 13, END], size=size)
    async with Relay(engine, COURSE) as relay:
        tokens, chunks = await read(relay, stage(0, limit=2))
    assert (tokens, chunks[-1].finish) == ([10, 11], Finish.LENGTH)


async def test_a_stage_that_would_be_empty_is_asked_for_by_itself() -> None:
    engine = Parrot([MARK, END])
    async with Relay(engine, COURSE) as relay:
        await read(relay, stage(0))
    assert engine.asked[1] == stage(0)


async def test_without_a_course_every_stage_is_its_own_request() -> None:
    engine = Parrot([10, MARK, 12, END])
    async with Relay(engine, None) as relay:
        await read(relay, stage(0))
        await read(relay, stage(0, 10, MARK))
    assert engine.asked == [stage(0), stage(0, 10, MARK)]


async def test_what_the_course_may_write_shrinks_with_what_was_written() -> None:
    engine = Parrot([10, 11, MARK, 12, END])
    async with Relay(engine, COURSE) as relay:
        await read(relay, stage(0))
        await read(relay, stage(0, 5, 5, MARK))
    assert [each.max_tokens for each in engine.asked] == [100, 97]


@pytest.mark.parametrize("course", [COURSE, None], ids=["course", "stage-by-stage"])
async def test_what_an_engine_knows_to_be_cached_only_at_the_end_counts(course: Course | None) -> None:
    class Late(Parrot):
        def _chunk(self, generation: Generation, said: list[int], finish: Finish | None) -> Chunk:
            return replace(super()._chunk(generation, said, finish), cached_tokens=7 if finish else 0)

    async with Relay(Late([10, WEIGHT, 1, 12, END]), course) as relay:
        _, chunks = await read(relay, stage(0))
    assert chunks[-1].cached_tokens == 7
