"""What a stream costs our front process, at 8 and at 64 of them: processor time per token, memory per stream."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from report import Result

from serving.bypass import SAMPLING, ask_vllm
from serving.client import Client
from serving.contestants import MODEL
from serving.figures import median_ratio
from serving.processes import Server
from serving.questions import Questions
from serving.rounds import run_rounds

FEW, MANY = 8, 64
WAVES = {FEW: 4, MANY: 1}
"""How many waves of so many streams make a round."""
FLAT = "<= 1.1"
SAMPLE_S = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """What some streams took of the front process."""

    cpu_s: float
    tokens: int

    @property
    def per_token_s(self) -> float:
        """Processor seconds per streamed token."""
        return self.cpu_s / self.tokens


@dataclass(frozen=True, slots=True)
class Growth:
    """Resident memory while streams run, above what it was before them."""

    streams: int
    bytes: int

    @property
    def per_stream(self) -> float:
        """Bytes for each of them."""
        return self.bytes / self.streams


async def measure_streams(
    client: Client, tear: Server, vllm: Server, *, questions: Questions, rounds: int
) -> list[Result]:
    """Whole reflections streamed; to be run on a server that has hardly been used, since freed memory is used again."""
    await _wave(client, tear, questions.take(1))
    growths = {streams: await _growth(client, tear, questions.take(streams)) for streams in (FEW, MANY)}
    settled = tear.rss_bytes

    async def one_round(_: int) -> tuple[Cost, Cost, Cost]:
        few = await _cost(client, tear, questions, FEW)
        many = await _cost(client, tear, questions, MANY)
        return few, many, await _vllm_cost(client, vllm, questions, round(many.tokens / MANY))

    found = await run_rounds(f"streams: {FEW}, {MANY}, and vLLM's own {MANY}", rounds, one_round)
    few, many, theirs = ([cost.per_token_s for cost in column] for column in zip(*found, strict=True))
    flatness = growths[MANY].per_stream / max(growths[FEW].per_stream, 1)
    return [
        Result(f"server CPU per streamed token, {MANY} streams", 1e6 * statistics.median(many), "µs"),
        Result(f"server CPU per streamed token, {FEW} streams", 1e6 * statistics.median(few), "µs"),
        Result(f"server CPU per streamed token, {MANY} / {FEW} streams", median_ratio(many, few), "×", FLAT),
        Result(f"vLLM's own server's CPU per streamed token, {MANY} streams", 1e6 * statistics.median(theirs), "µs"),
        Result(f"server RSS per stream, {MANY} streams", growths[MANY].per_stream / 1024, "KiB"),
        Result(f"server RSS per stream, {FEW} streams", growths[FEW].per_stream / 1024, "KiB"),
        Result(f"server RSS per stream, {MANY} / {FEW} streams", flatness, "×", FLAT),
        Result(f"server RSS after {rounds} more rounds", (tear.rss_bytes - settled) / 2**20, "MiB more"),
    ]


async def _cost(client: Client, tear: Server, questions: Questions, streams: int) -> Cost:
    before, tokens = tear.cpu_s, 0
    for _ in range(WAVES[streams]):
        tokens += await _wave(client, tear, questions.take(streams))
    return Cost(tear.cpu_s - before, tokens)


async def _vllm_cost(client: Client, vllm: Server, questions: Questions, tokens: int) -> Cost:
    bodies = [ask_vllm(question, tokens) for question in questions.take(MANY)]
    before = vllm.cpu_s
    await client.stream_all(vllm.url, bodies, concurrent=MANY)
    return Cost(vllm.cpu_s - before, tokens * MANY)


async def _growth(client: Client, tear: Server, asked: Sequence[str]) -> Growth:
    before = tear.rss_bytes
    async with _watched(tear) as seen:
        await _wave(client, tear, asked)
    return Growth(len(asked), max(max(seen) - before, 0))


async def _wave(client: Client, tear: Server, asked: Sequence[str]) -> int:
    """Tokens of all reflections, streamed at once."""
    bodies = [{"model": MODEL, "messages": [{"role": "user", "content": question}], **SAMPLING} for question in asked]
    replies = await client.stream_all(tear.url, bodies, concurrent=len(asked))
    return sum(reply.usage.completion_tokens for reply in replies)


@asynccontextmanager
async def _watched(server: Server) -> AsyncIterator[list[int]]:
    """Its resident memory, looked at all the while."""
    seen = [server.rss_bytes]

    async def look() -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            seen.append(server.rss_bytes)

    looking = asyncio.ensure_future(look())
    try:
        yield seen
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
