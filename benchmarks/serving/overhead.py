"""What our service adds to a request, against what LiteLLM's proxy adds, over servers that answer at once."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from report import Result

from serving.client import Client, at_once
from serving.contestants import DIRECT, MODEL
from serving.figures import differences, median_ratio, percentile
from serving.processes import Server
from serving.rounds import run_rounds

REQUESTS = {1: 100, 32: 160}
"""How many make a round, by how many are asked at once; streams are a fourth of that."""
STREAMS_PART = 4
SHARES = {"p50": 0.5, "p99": 0.99}
BAR = "<= 0.25"


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked in a round."""

    requests: int
    concurrent: int
    stream: bool

    def __str__(self) -> str:
        kind = "32-token stream" if self.stream else "reply in one piece"
        return f"{kind}, {self.concurrent} at once"


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds per request of each contestant."""

    ours: Sequence[float]
    proxied: Sequence[float]
    straight: Sequence[float]
    """At the server that the proxy stands in front of."""


async def measure_overhead(
    client: Client, *, constant: Server, litellm: Server, upstream: Server, rounds: int
) -> list[Result]:
    """Added latency of both, at both concurrencies, for replies in one piece and for streams."""
    results: list[Result] = []
    for stream in (False, True):
        for concurrent, count in REQUESTS.items():
            load = Load(count // STREAMS_PART if stream else count, concurrent, stream)
            turns = partial(_round, client, constant, litellm, upstream, load=load)
            results += added_latency(await run_rounds(f"added latency, {load}", rounds, turns), named=str(load))
    return results


def added_latency(rounds: Sequence[Round], *, named: str) -> list[Result]:
    """Ours is the whole request, since our engine is in the process; the proxy's is what it adds to its server's."""
    results: list[Result] = []
    for label, share in SHARES.items():
        ours = [percentile(one.ours, share) for one in rounds]
        proxied = [percentile(one.proxied, share) for one in rounds]
        straight = [percentile(one.straight, share) for one in rounds]
        added = differences(proxied, straight)
        results += [
            Result(f"added latency / LiteLLM's, {label}, {named}", median_ratio(ours, added), "×", BAR),
            Result(f"added latency, {label}, {named}", 1000 * statistics.median(ours), "ms"),
            Result(f"LiteLLM's added latency, {label}, {named}", 1000 * statistics.median(added), "ms"),
        ]
    return results


async def _round(client: Client, constant: Server, litellm: Server, upstream: Server, _: int, *, load: Load) -> Round:
    return Round(
        ours=await _seconds(client, constant, DIRECT, load=load),
        proxied=await _seconds(client, litellm, MODEL, load=load),
        straight=await _seconds(client, upstream, MODEL, load=load),
    )


async def _seconds(client: Client, server: Server, model: str, *, load: Load) -> list[float]:
    body = {"model": model, "messages": [{"role": "user", "content": "Am I any good?"}]}

    async def one() -> float:
        if load.stream:
            return (await client.stream(server.url, body)).end_s
        return (await client.ask(server.url, body)).seconds

    return await at_once([one] * load.requests, load.concurrent)
