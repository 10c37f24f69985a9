"""Our HTTP service over an engine without a model: every answer is the same 32 words, at once.

python -m serving.constant PORT BASE ADAPTER
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import uvicorn

from serving.answer import WORDS
from serving.contestants import MODEL
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter
from tear_server.api.app import build_app
from tear_server.budget import Limits
from tear_server.engine import Chunk, Finish, Generation, Sampling
from tear_server.metrics import Metrics
from tear_server.reflection import Reflector
from tear_server.registry import Registry
from tear_server.service import Service


class ConstantEngine:
    """Writes a word in each chunk, handing the loop on in between as a real engine does."""

    def __init__(self, words: Sequence[tuple[int, ...]], *, end: int) -> None:
        self._words = words
        self._end = end

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        for word in self._words:
            yield Chunk(tokens=word, watched=(), cached_tokens=0, finish=None)
            await asyncio.sleep(0)
        yield Chunk(tokens=(self._end,), watched=(), cached_tokens=0, finish=Finish.STOP)

    async def health(self) -> None:
        """Always well."""


def constant_service(base_folder: Path, adapter_folder: Path) -> Service:
    """The service as `tear serve` puts it together, but for its engine."""
    base = load_prepared(base_folder)
    adapter = open_adapter(adapter_folder, base)
    tokenizer = ChainTokenizer.load(base_folder)
    engine = ConstantEngine([tokenizer.encode(word) for word in WORDS], end=tokenizer.chain.witness)
    return Service(
        base=base,
        registry=Registry(MODEL, adapter),
        engine=engine,
        reflector=Reflector(engine, tokenizer, limits=Limits(context=base.context)),
        metrics=Metrics(),
        context=base.context,
        sampling=Sampling(),
        revise_threshold=None,
        started=int(time.time()),
    )


if __name__ == "__main__":
    port, base_folder, adapter_folder = sys.argv[1:]
    app = build_app(constant_service(Path(base_folder), Path(adapter_folder)))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False, ws="none")
