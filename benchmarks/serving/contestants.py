"""Who is measured, and with which arguments each is started."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from serving.processes import Recipe, free_port
from tear_chain.manifest import load_manifest
from tear_chain.prepared import load_prepared
from tear_server.assembly import DEFAULT_CONTEXT
from tear_server.embedded import CPU_BATCH_TOKENS, CPU_BLOCK_TOKENS, ENVIRONMENT

HERE = Path(__file__).parent.parent
PEERS = HERE.parent / ".peers-bench" / "bin"
MODEL = "tear-nano"
"""One name everywhere: our reflective model, and the adapter at vLLM's own server."""
DIRECT = f"{MODEL}-direct"
SAME = ("block_size", "num_gpu_blocks", "enable_prefix_caching", "cache_dtype")
"""What both engines must say alike of their caches."""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What is served."""

    base: Path
    adapter: Path


def tear(artefacts: Artefacts) -> Recipe:
    """`tear serve` as anybody starts it."""
    port = free_port()
    return Recipe(
        "tear",
        [
            Path(sys.executable).with_name("tear"),
            "serve",
            *("--base", artefacts.base, "--adapter", artefacts.adapter, "--name", MODEL),
            *("--port", str(port), "--log-level", "warning"),
        ],
        port,
        "/ready",
    )


def vllm(artefacts: Artefacts) -> Recipe:
    """vLLM's own OpenAI server with the arguments that our engine gives vLLM on a CPU."""
    port = free_port()
    context = min(load_prepared(artefacts.base).context, DEFAULT_CONTEXT)
    return Recipe(
        "vllm",
        [
            *(sys.executable, "-W", "ignore", "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", artefacts.base, "--served-model-name", "base", "--tokenizer-mode", "mistral"),
            *("--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16", "--enforce-eager"),
            *("--max-model-len", str(context), "--max-num-batched-tokens", str(max(context, CPU_BATCH_TOKENS))),
            *("--enable-prefix-caching", "--no-enable-chunked-prefill", "--block-size", str(CPU_BLOCK_TOKENS)),
            *("--enable-lora", "--lora-modules", f"{MODEL}={artefacts.adapter}", "--max-loras", "1"),
            *("--max-lora-rank", str(load_manifest(artefacts.adapter).rank), "--max-cpu-loras", "1"),
            *("--generation-config", "vllm", "--seed", "0", "--enable-prompt-tokens-details"),
            *("--uvicorn-log-level", "warning", "--disable-uvicorn-access-log"),
            *("--middleware", "serving.limit.LimitIsLength"),
        ],
        port,
        "/health",
        {**ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE": "1"},
        folder=HERE,
    )


def optillm(upstream: str) -> Recipe:
    """optillm as a proxy, each request reflected on in the way it calls `cot_reflection`."""
    port = free_port()
    return Recipe(
        "optillm",
        [
            PEERS / "optillm",
            *("--port", str(port), "--base-url", f"{upstream}/v1", "--model", MODEL),
            *("--approach", "cot_reflection", "--log", "error"),
        ],
        port,
        "/health",
        {"OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"},
    )


def litellm(upstream: str, *, folder: Path) -> Recipe:
    """LiteLLM's proxy in its lightest form: one model, no keys, no database, no callbacks."""
    port = free_port()
    config = folder / "litellm.json"  # JSON is YAML, too
    parameters = {
        "model": f"openai/{MODEL}",
        "api_base": f"{upstream}/v1",
        "api_key": "none",
        # With a price at hand it looks for none, which would cost it several milliseconds a request.
        "input_cost_per_token": 0.0,
        "output_cost_per_token": 0.0,
    }
    written = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        # No key is asked for, as at our own server here; it listens on this machine alone and refuses this otherwise.
        "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
    }
    config.write_text(json.dumps(written))
    return Recipe(
        "litellm",
        [PEERS / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
        port,
        "/health/liveliness",
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


def constant_upstream() -> Recipe:
    """An OpenAI server that always says the same, at once."""
    port = free_port()
    return Recipe("upstream", [sys.executable, "-m", "serving.upstream", str(port)], port, "/health", folder=HERE)


def constant_tear(artefacts: Artefacts) -> Recipe:
    """Our HTTP service over an engine that always says the same, at once."""
    port = free_port()
    folders = str(artefacts.base), str(artefacts.adapter)
    command = [sys.executable, "-m", "serving.constant", str(port), *folders]
    return Recipe("constant", command, port, "/ready", folder=HERE)
