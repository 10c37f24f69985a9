"""A gentle load of varied requests: `python deploy/observe/load.py URL`, until Ctrl-C.

Situations and drafts come from the procedural world, whose gold table says what a draft really did to the person: that
is what is reported as the outcome. So the witness is put to the test, and every curve moves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx

from tear_training.world import Case, World

WAVE_S = 180
"""Busy and quiet times follow one another: one round of them."""
KINDS = {"draft": 9, "chat": 5, "direct": 2, "witness": 2, "mistake": 1, "leave": 1}
"""How often each kind of request comes, against the others."""


async def load(url: str, *, pause_s: float, seed: int = 7) -> None:
    """Ask `url` about every `pause_s` seconds, for ever; what fails is the server's to count."""
    rng, began_s = Random(seed), time.monotonic()  # noqa: S311 - repeatable, not secret
    cases = _cases(seed)
    async with httpx.AsyncClient(base_url=url, timeout=60) as http, asyncio.TaskGroup() as asking:
        while True:
            [kind] = rng.choices(list(KINDS), list(KINDS.values()))
            asking.create_task(_ask(http, kind, next(cases)))
            wave = 1 + 0.7 * math.sin((time.monotonic() - began_s) * 2 * math.pi / WAVE_S)
            await asyncio.sleep(pause_s * wave * rng.uniform(0.5, 1.5))


def _cases(seed: int) -> Iterator[Case]:
    while True:
        yield from World(seed, table="woven").cases(split="test", count=1000)
        seed += 1


async def _ask(http: httpx.AsyncClient, kind: str, case: Case) -> None:
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": case.row.input}]}
    with contextlib.suppress(httpx.HTTPError):
        match kind:
            case "draft":
                await _reflect_and_report(http, {**asked, "draft": case.row.response}, case.gold.weight)
            case "chat":
                await http.post("/v1/chat/completions", json={**asked, "stream": True})
            case "direct":
                models = (await http.get("/v1/models")).json()["data"]
                direct = next(each["id"] for each in models if not each["reflects"])
                await http.post("/v1/chat/completions", json={**asked, "model": direct})
            case "witness":
                await http.post("/v1/witness", json={"items": [{**asked, "answer": case.row.response}]})
            case "mistake":
                await http.post("/v1/chat/completions", json={**asked, "model": "nobody-serves-this"})
            case "leave":
                await http.post("/v1/chat/completions", json=asked, timeout=0.3)


async def _reflect_and_report(http: httpx.AsyncClient, asked: dict[str, Any], weight: int) -> None:
    """Have a draft witnessed, and report what it did if it was the answer; a server without a journal refuses that."""
    reply = (await http.post("/v1/reflections", json=asked)).json()
    if reply.get("decision") == "keep":
        told = {"text": "What the world's table says of it.", "weight": weight}
        await http.post(f"/v1/reflections/{reply['id']}/outcome", json=told)


def main() -> None:
    """As the module says."""
    options = argparse.ArgumentParser(description="Ask a server gently, about what people may say, until Ctrl-C.")
    options.add_argument("url", help="where the server is, such as http://127.0.0.1:8000")
    options.add_argument("--pause", type=float, default=1.0, help="seconds between requests, on average")
    chosen = options.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(load(chosen.url, pause_s=chosen.pause))


if __name__ == "__main__":
    main()
