"""Reflections against one vLLM request of the same total length each, on one engine: `chain_cost.py` in short."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from itertools import product

from chain_cost import CASES, Bench
from report import Result

from serving.contestants import Artefacts
from serving.figures import median_ratio
from serving.rounds import run_rounds
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter
from tear_server.embedded import embedded_engine
from tear_server.engine import AdapterFiles
from tear_server.engine_options import EngineOptions

WAVES = {1: 4, 16: 1}
"""How many waves of so many at once make a round: one short reflection alone would be mostly noise."""
BAR = ">= 0.97"


async def measure_chain(artefacts: Artefacts, *, rounds: int) -> list[Result]:
    """tokens/s of the chain over tokens/s of single requests; the engine lives only for this."""
    card = load_prepared(artefacts.base)
    adapter = open_adapter(artefacts.adapter, card)
    files = AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank)
    options = EngineOptions(max_model_len=card.context)
    results: list[Result] = []
    async with embedded_engine(artefacts.base, files, name=card.name, options=options) as engine:
        tokenizer = ChainTokenizer.load(artefacts.base)
        bench = Bench(engine, tokenizer, adapter.name, context=card.context)
        for (concurrent, waves), (case, threshold) in product(WAVES.items(), CASES.items()):
            named = f"{concurrent} at once, {case}"
            supply = iter(bench.questions(concurrent * waves * (rounds + 1)))
            batches = [
                [[f"{case} {next(supply)}" for _ in range(concurrent)] for _ in range(waves)] for _ in range(rounds + 1)
            ]
            duel = partial(_round, bench, batches, threshold=threshold, tag=named)
            found = await run_rounds(f"chain / single request, {named}", rounds, duel)
            chain, single = zip(*found, strict=True)
            results += [
                Result(f"chain throughput / single request's, {named}", median_ratio(chain, single), "×", BAR),
                Result(f"chain throughput, {named}", statistics.median(chain), "tokens/s"),
            ]
    return results


async def _round(
    bench: Bench, batches: Sequence[Sequence[Sequence[str]]], index: int, *, threshold: float | None, tag: str
) -> tuple[float, float]:
    """tokens/s of the chain and of the single requests, wave by wave."""
    chain_s = single_s = tokens = 0.0
    for wave, batch in enumerate(batches[index]):
        seconds, reflections = await bench.chains(batch, threshold=threshold, tag=f"{tag}-{index}-{wave}")
        lengths = [sum(report.tokens for report in reflection.stages) for reflection in reflections]
        chain_s += seconds
        single_s += await bench.singles(batch, lengths, tag=f"{tag}-{index}-{wave}")
        tokens += sum(lengths)
    return tokens / chain_s, tokens / single_s
