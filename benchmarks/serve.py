"""What serving costs, against vLLM's own server, LiteLLM, optillm and a three-call program; see `README.md` here.

One run measures everything, on this machine, with nano: rounds in which the contestants take turns, ratios within a
round, medians of them. A bar that is missed is printed as missed.

    make bench-serve
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

from chain_cost import NANO
from report import Result, report
from serving import contestants
from serving.bypass import measure_bypass
from serving.chain import measure_chain
from serving.client import Client, open_client
from serving.contestants import Artefacts
from serving.overhead import measure_overhead
from serving.pipeline import measure_pipeline
from serving.processes import running
from serving.questions import Questions
from serving.replies import read_engine
from serving.streams import measure_streams

ROUNDS = 7
PARTS = ("chain", "overhead", "streams", "bypass", "pipeline")


async def measure(artefacts: Artefacts, *, rounds: int, parts: list[str], logs: Path) -> list[Result]:
    """All figures, part by part; only the servers that a part needs are alive in it."""
    results: list[Result] = []
    if "chain" in parts:
        results += await measure_chain(artefacts, rounds=rounds)
    async with open_client() as client:
        if "overhead" in parts:
            results += await _against_litellm(client, artefacts, rounds=rounds, logs=logs)
        if {"streams", "bypass", "pipeline"}.intersection(parts):
            results += await _against_vllm(client, artefacts, rounds=rounds, parts=parts, logs=logs)
    return results


async def _against_litellm(client: Client, artefacts: Artefacts, *, rounds: int, logs: Path) -> list[Result]:
    recipes = [contestants.constant_upstream(), contestants.constant_tear(artefacts)]
    with (
        running(recipes, logs=logs) as (upstream, constant),
        running([contestants.litellm(upstream.url, folder=logs)], logs=logs) as (litellm,),
    ):
        return await measure_overhead(client, constant=constant, litellm=litellm, upstream=upstream, rounds=rounds)


async def _against_vllm(
    client: Client, artefacts: Artefacts, *, rounds: int, parts: list[str], logs: Path
) -> list[Result]:
    results: list[Result] = []
    questions = Questions()
    with running([contestants.tear(artefacts), contestants.vllm(artefacts)], logs=logs) as (tear, vllm):
        ours, theirs = [read_engine(await client.page(server.url), contestants.SAME) for server in (tear, vllm)]
        if ours != theirs:
            raise RuntimeError(f"the two engines are not alike: ours has {ours}, vLLM's own server {theirs}")
        if "streams" in parts:  # first, while the server is fresh
            results += await measure_streams(client, tear, vllm, questions=questions, rounds=rounds)
        if "bypass" in parts:
            results += await measure_bypass(client, tear, vllm, questions=questions, rounds=rounds)
        if "pipeline" in parts:
            with running([contestants.optillm(vllm.url)], logs=logs) as (optillm,):
                results += await measure_pipeline(
                    client, tear=tear, vllm=vllm, optillm=optillm, questions=questions, rounds=rounds
                )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=NANO / "base")
    parser.add_argument("--adapter", type=Path, default=NANO / "adapter")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some parts of it")
    parser.add_argument("--out", default="serve", help="name of the file under benchmarks/results")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as for Ctrl-C: the servers are ended first
    artefacts = Artefacts(arguments.base.resolve(), arguments.adapter.resolve())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as logs:
        results = asyncio.run(measure(artefacts, rounds=arguments.rounds, parts=arguments.only, logs=Path(logs)))
    took = f"{arguments.rounds} rounds, {time.monotonic() - began:.0f} s"
    report(arguments.out, results, note=took)
    missed = [result.name for result in results if result.ok is False]
    print(f"{len(missed)} bars missed" + "".join(f"\n  {name}" for name in missed))


if __name__ == "__main__":
    main()
