"""What the chain costs: reflections against one vLLM request of the same total length each.

Both run on one engine, in one process, with the same adapter and prompts, in turns; every round compares the
wall time of `concurrent` reflections with that of as many single requests, each of which generates exactly as many
tokens as its reflection did. Once the model decides whether to keep or revise; once every draft is revised, so that
all three stages run and most of nano's decisions are overruled. The figures are the medians of the rounds' ratios.

    make bench
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from report import Result, report

from tear_chain.conversation import Conversation
from tear_chain.events import Completed
from tear_chain.format import draft_prompt
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Reflection
from tear_server.adapters import open_adapter
from tear_server.budget import Limits
from tear_server.embedded import EmbeddedEngine, embedded_engine
from tear_server.engine import AdapterFiles, Generation, Sampling
from tear_server.engine_options import EngineOptions
from tear_server.reflection import ReflectionRequest, Reflector
from tear_training.world import World

NANO = Path(__file__).parent.parent / "training" / "nano"
ROUNDS = {1: 20, 16: 20}
CASES = {"model decides": None, "all revised": 0.0}
"""By the threshold from which a draft is revised."""


async def measure(base: Path, adapter_folder: Path) -> list[Result]:
    card = load_prepared(base)
    adapter = open_adapter(adapter_folder, card)
    tokenizer = ChainTokenizer.load(base)
    files = AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank)
    results: list[Result] = []
    async with embedded_engine(
        base, files, name=card.name, options=EngineOptions(max_model_len=card.context)
    ) as engine:
        bench = Bench(engine, tokenizer, adapter.name, context=card.context)
        for (concurrent, rounds), (case, threshold) in product(ROUNDS.items(), CASES.items()):
            questions = bench.questions(concurrent * (rounds + 1))
            ratios, speeds, tokens = [], [], 0
            for index in range(rounds + 1):
                batch = [f"{case} {question}" for question in questions[index * concurrent : (index + 1) * concurrent]]
                tag = f"{threshold}-{concurrent}-{index}"
                chain_s, reflections = await bench.chains(batch, threshold=threshold, tag=tag)
                lengths = [sum(report.tokens for report in reflection.stages) for reflection in reflections]
                single_s = await bench.singles(batch, lengths, tag=tag)
                if index == 0:
                    continue  # the first round warms both
                ratios.append(chain_s / single_s)
                speeds.append(sum(lengths) / chain_s)
                tokens += sum(lengths)
            bar, named = "<= 1.05" if concurrent == 16 else None, f"{concurrent} concurrent, {case}"
            results += [
                Result(f"chain time / single request time, {named}", statistics.median(ratios), "×", bar),
                Result(f"chain throughput, {named}", statistics.median(speeds), "tokens/s"),
                Result(f"tokens per reflection, {named}", tokens / (rounds * concurrent), "tokens"),
            ]
    return results


class Bench:
    """The two contestants on one engine."""

    def __init__(self, engine: EmbeddedEngine, tokenizer: ChainTokenizer, adapter: str, *, context: int) -> None:
        self._engine, self._tokenizer, self._adapter = engine, tokenizer, adapter
        self._reflector = Reflector(engine, tokenizer, limits=Limits(context=context))

    def questions(self, count: int) -> list[str]:
        """Unseen situations: each is asked once, so that no cache of an earlier round helps either side."""
        return [str(row.input) for row in World(11, table="woven").rows(split="test", count=count)]

    async def chains(
        self, questions: Sequence[str], *, threshold: float | None, tag: str
    ) -> tuple[float, list[Reflection]]:
        """Seconds for all reflections at once."""
        plans = [
            self._reflector.plan(
                ReflectionRequest(
                    id=f"chain-{tag}-{index}",
                    model="bench",
                    adapter=self._adapter,
                    conversation=Conversation.asking(question),
                    sampling=Sampling(temperature=0.7, seed=index),
                    revise_threshold=threshold,
                )
            )
            for index, question in enumerate(questions)
        ]

        async def one(plan: object) -> Reflection:
            async for event in self._reflector.reflect(plan):  # type: ignore[arg-type]
                if isinstance(event, Completed):
                    return event.reflection
            raise AssertionError("a chain ends with Completed")

        began = time.monotonic()
        reflections = await asyncio.gather(*map(one, plans))
        return time.monotonic() - began, list(reflections)

    async def singles(self, questions: Sequence[str], lengths: Sequence[int], *, tag: str) -> float:
        """Seconds for as many single requests at once, each exactly as long as its reflection."""

        async def one(index: int, question: str, length: int) -> None:
            # A word in front keeps the reflection's cached prompt from helping this side.
            prompt = self._tokenizer.encode_conversation(Conversation.asking(f"So: {question}"))
            generation = Generation(
                id=f"single-{tag}-{index}",
                prompt=draft_prompt(self._tokenizer.chain, prompt),
                max_tokens=length,
                stop_ids=frozenset(),
                sampling=Sampling(temperature=0.7, seed=index),
                adapter=self._adapter,
            )
            async for _ in self._engine.generate(generation):
                pass

        began = time.monotonic()
        await asyncio.gather(*(one(*job) for job in zip(range(len(lengths)), questions, lengths, strict=True)))
        return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=NANO / "base")
    parser.add_argument("--adapter", type=Path, default=NANO / "adapter")
    arguments = parser.parse_args()
    report("chain_cost", asyncio.run(measure(arguments.base, arguments.adapter)))


if __name__ == "__main__":
    main()
