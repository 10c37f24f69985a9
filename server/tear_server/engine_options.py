"""What an operator settles about the embedded engine, before it is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tear_chain.errors import EngineError
from tear_server.engine import AdapterFiles

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Those that vLLM can be started for."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What vLLM is started with, under its own names where it has one."""

    max_model_len: int
    enforce_eager: bool | None = None
    """None: eager on a CPU, where compiling takes longer than it saves; compiled on a GPU."""
    gpu_memory_utilization: float = 0.9
    cpu_kv_cache_gib: int = 1
    max_num_seqs: int | None = None
    log_config: Path | None = None
    """A `logging.config` in JSON for vLLM's own lines, here and in its core; None leaves them as vLLM has them."""
    traces_url: str | None = None
    """Where vLLM sends its own spans, by OTLP over HTTP; None: nowhere."""
    max_lora_rank: int | None = None
    """Rounded up to one of `RANKS`; None is the rank of the adapter at the start."""
    max_loras: int = 1
    """Adapters that are held, and that one batch may mix: a request whose adapter has no room would wait for as long
    as others are asked for without a pause."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Any further ones, laid over all that is set here."""

    def lora_rank(self, adapter: AdapterFiles | None) -> int:
        """What vLLM is started for; `EngineError` if that is more than it takes."""
        wanted = self.max_lora_rank or (adapter.rank if adapter else 1)
        if wanted > RANKS[-1]:
            raise EngineError(f"vLLM takes adapters up to rank {RANKS[-1]}, not {wanted}.")
        return next(rank for rank in RANKS if rank >= wanted)
