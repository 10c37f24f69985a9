"""An operator's own arguments for vLLM, under its names: laid over ours, where that does not break the chain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tear_chain.errors import InvalidRequest

_ELSEWHERE = "there is a setting for it: {}"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("model", "model_weights", "tokenizer", "hf_config_path"), _ELSEWHERE.format("--base")),
    **dict.fromkeys(
        ("revision", "code_revision", "tokenizer_revision"), "a prepared base is a folder, of one revision"
    ),
    "served_model_name": _ELSEWHERE.format("--name"),
    "max_model_len": _ELSEWHERE.format("--context"),
    "enforce_eager": _ELSEWHERE.format("--enforce-eager"),
    "gpu_memory_utilization": _ELSEWHERE.format("--gpu-memory-utilization"),
    "max_num_seqs": _ELSEWHERE.format("--max-num-seqs"),
    **dict.fromkeys(
        ("max_num_queued_reqs", "max_num_queued_tokens"),
        "a chain that has begun is not turned away halfway; --max-requests says how many may begin",
    ),
    **dict.fromkeys(
        ("tokenizer_mode", "skip_tokenizer_init"), "the chain's tokens are those of the base's own tokenizer"
    ),
    **dict.fromkeys(("enable_lora", "max_loras", "max_cpu_loras"), "the adapters that are served decide it"),
    "max_lora_rank": _ELSEWHERE.format("--max-lora-rank"),
    "otlp_traces_endpoint": _ELSEWHERE.format("--otlp-endpoint"),
    "structured_outputs_config": "what a schema may ask is settled for the one backend that is set",
    **dict.fromkeys(("runner", "convert", "pooler_config"), "the chain is generated"),
    **dict.fromkeys(
        ("generation_config", "override_generation_config"), "sampling is the caller's, and the server's settings"
    ),
    **dict.fromkeys(("logprobs_mode", "max_logprobs"), "weights and decisions are read from the raw log-probabilities"),
    # Tried with n-grams on a CPU; the samplers for GPUs, old and new, read the same way.
    **dict.fromkeys(
        ("speculative_config", "spec_method", "spec_model", "spec_tokens"),
        "while it speculates vLLM tells no log-probabilities of the tokens that weight and decision are read from",
    ),
    "enable_log_requests": "what people write is not logged",
    "worker_extension_cls": "there is one of The Tear's own",
    "shutdown_timeout": _ELSEWHERE.format("--drain-seconds"),
}
"""What may not be set, and why."""
NO_CHUNKS_ON_CPU = (
    "on a CPU a prompt computed in parts draws a token too early, and a seeded request that does ends the whole engine"
)


def check_allowed(asked: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest` for every argument at once that may not be set. Needs no vLLM."""
    _refuse({name: REFUSED[name] for name in asked if name in REFUSED})


def check_known(asked: Mapping[str, Any], *, known: Collection[str], on_cpu: bool) -> None:
    """Raise `InvalidRequest` for what vLLM does not know by that name, or cannot do on this machine."""
    refused = {name: "vLLM has no such argument" for name in asked if name not in known or name.startswith("_")}
    if on_cpu and asked.get("enable_chunked_prefill"):
        refused["enable_chunked_prefill"] = NO_CHUNKS_ON_CPU
    _refuse(refused)


def _refuse(reasons: Mapping[str, str]) -> None:
    if reasons:
        told = "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
        raise InvalidRequest(f"--engine-args may not have {told}.", param="engine_args")
