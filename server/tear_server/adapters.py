"""Adapters: load only what fits, and prove that it does something."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tear_chain.conversation import Conversation
from tear_chain.errors import AdapterError
from tear_chain.format import witness_prompt
from tear_chain.manifest import Manifest, check_fit, load_manifest
from tear_chain.prepared import PreparedBase
from tear_chain.tokenizer import ChainTokenizer
from tear_server.engine import AdapterFiles, Engine, Generation, Sampling

CANARY_NATS = 1e-3
"""An adapter must move the log-probability of at least one control token by this much."""
_CANARY = ("Nobody has written to me for weeks.", "That sounds lonely.")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that fits the base at hand."""

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Content-addressed: other bytes have another name, so no cache can mix two versions."""
        return f"witness-{self.manifest.version}"

    @property
    def cas(self) -> float | None:
        """Its consequence awareness score, where `tear eval --write` has put one into the manifest."""
        return self.manifest.metrics.get("cas")


def open_adapter(folder: Path, base: PreparedBase) -> Adapter:
    """Read an adapter and check that it fits; raise `AdapterError` saying what is wrong."""
    manifest = load_manifest(folder)
    check_fit(manifest, base)
    return Adapter(folder, manifest)


async def sing_canary(engine: Engine, tokenizer: ChainTokenizer, adapter: Adapter | AdapterFiles) -> None:
    """Compare base and adapter on one prompt; raise `AdapterError` if they do not differ.

    vLLM loads a LoRA whose keys match no module without a word and then serves the bare base
    (vllm-project/vllm issues 34591 and 34186).
    """
    said, answered = _CANARY
    prompt = witness_prompt(
        tokenizer.chain, tokenizer.encode_conversation(Conversation.asking(said)), tokenizer.encode(answered)
    )
    watch = tuple(tokenizer.chain.fields.values())
    logprobs = []
    for name in (None, adapter.name):
        generation = Generation(
            id=f"canary-{name or 'base'}",
            prompt=prompt,
            max_tokens=1,
            stop_ids=frozenset(),
            sampling=Sampling(temperature=0.0),
            adapter=name,
            watch=watch,
        )
        async for chunk in engine.generate(generation):
            logprobs.append(chunk.watched[0])
    bare, adapted = logprobs
    # Asked this way round, since no comparison with NaN holds: damaged weights are refused, too.
    if not any(abs(bare[token] - adapted[token]) >= CANARY_NATS for token in watch):
        raise AdapterError(
            f"The adapter in {adapter.folder} changes nothing: its weights match no layer of the base, or are zero."
        )
