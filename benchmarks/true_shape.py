"""The true shape: Ministral 3 3B with random weights, prepared, served by vLLM and compared with transformers.

Nobody here has the real weights; what depends on their shape alone is measured with random ones: time and memory
of `tear base prepare`, vLLM's start and speed, and the agreement of its log-probabilities with transformers'. In
BF16, where both round, the difference is only reported; whether the two compute the same is told in float32, on the
first four layers at full width. Each step runs in a process of its own. Needs about 17 GB of disk in the temporary
folder and 10 GB of memory.

    .venv/bin/python benchmarks/true_shape.py
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from report import Result, report

SHARD_BYTES = 2_000_000_000
CHAINS = 4
BATCH = 8
TEXT_LAYERS = 26
CUT_LAYERS = 4
NEW_TOKENS = 24
TEXT = {
    "model_type": "ministral3",
    "hidden_size": 3072,
    "num_hidden_layers": TEXT_LAYERS,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 9216,
    "vocab_size": 131072,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "max_position_embeddings": 262144,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 11,
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 1e6,
        "factor": 16.0,
        "original_max_position_embeddings": 16384,
        "max_position_embeddings": 262144,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "llama_4_scaling_beta": 0.1,
    },
}
VISION = {
    "model_type": "pixtral",
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "head_dim": 64,
    "intermediate_size": 4096,
    "patch_size": 14,
    "image_size": 1540,
}


def make_checkpoint(folder: Path) -> dict[str, float]:
    """A wrapped checkpoint of random BF16 weights, with the vision tower's real size, shard by shard."""
    import torch
    from safetensors.torch import save_file
    from transformers import Mistral3Config, Mistral3ForConditionalGeneration

    config = Mistral3Config(text_config=dict(TEXT), vision_config=dict(VISION), tie_word_embeddings=True)
    config.architectures = ["Mistral3ForConditionalGeneration"]
    config.save_pretrained(folder)
    with torch.device("meta"):
        shapes = {
            name: tuple(tensor.shape)
            for name, tensor in Mistral3ForConditionalGeneration(config).state_dict().items()
            if name != "lm_head.weight"
        }
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    for name, shape in shapes.items():
        if sum(_bytes(other) for other in shards[-1].values()) + _bytes(shape) > SHARD_BYTES and shards[-1]:
            shards.append({})
        shards[-1][name] = shape
    generator = torch.Generator().manual_seed(20)
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        tensors = {
            name: torch.ones(shape, dtype=torch.bfloat16)
            if len(shape) == 1
            else torch.empty(shape, dtype=torch.bfloat16).normal_(0, 0.02, generator=generator)
            for name, shape in shard.items()
        }
        save_file(tensors, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(tensors, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    write_tekken(folder / "tekken.json")
    return {"largest_shard": max(file.stat().st_size for file in folder.glob("*.safetensors"))}


def write_tekken(path: Path) -> None:
    """The wheel's Tekken, all 131,072 tokens of it, with the names that Ministral 3 gives its first slots."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    tekken = json.loads((files("mistral_common") / "data" / "tekken_240911.json").read_text(encoding="utf-8"))
    tekken["config"]["version"] = "v13"
    later = ["[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"]
    named = [token["token_str"] for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS]
    names = [*named, *(f"<SPECIAL_{rank}>" for rank in range(len(named), 32)), *later]
    tekken["special_tokens"] = [
        {"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)
    ]
    path.write_text(json.dumps(tekken))


def prepare(source: Path, base: str) -> dict[str, float]:
    """Time and memory of `prepare_base`, above what its imports take."""
    from transformers import Ministral3Config

    from tear_training.prepare import prepare_base

    Ministral3Config()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    prepare_base(source, Path(base), name="true-shape")
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "grown": (after - before) * 1024, "peak": after * 1024}


def cut_layers(base: Path, out: str) -> dict[str, float]:
    """The same base with its first layers only, so that float32 fits into little memory."""
    from tear_training.checkpoint import copy_tensors, find_shards, read_entries

    folder = Path(out)
    folder.mkdir()
    config = json.loads((base / "config.json").read_text()) | {"num_hidden_layers": CUT_LAYERS}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tekken.json").write_bytes((base / "tekken.json").read_bytes())
    gone = tuple(f"model.layers.{layer}." for layer in range(CUT_LAYERS, TEXT_LAYERS))
    entries = [entry for shard in find_shards(base) for entry in read_entries(shard)]
    kept = [(entry.name, entry) for entry in entries if not entry.name.startswith(gone)]
    copy_tensors(kept, folder / "model.safetensors", on_bytes=lambda count: None)
    return {"layers": CUT_LAYERS}


def score_with_transformers(base: Path, dtype: str) -> dict[str, Any]:
    """Log-probability of every token of the chains after its first."""
    import torch
    from transformers import Ministral3ForCausalLM

    model = Ministral3ForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    scores = []
    with torch.inference_mode():
        for ids in _chains(base):
            logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].float()
            scores.append(logits.log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None]).squeeze(-1).tolist())
    return {"scores": scores}


def score_with_vllm(base: Path, dtype: Literal["bfloat16", "float32"]) -> dict[str, Any]:
    """The same from vLLM, with its start and its speed."""
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt

    began = time.monotonic()
    vllm = LLM(
        str(base),
        tokenizer_mode="mistral",
        dtype=dtype,
        max_model_len=1024,
        enforce_eager=True,
        max_num_seqs=BATCH,
    )
    start_s = time.monotonic() - began
    chains = _chains(base)
    prompts = [TokensPrompt(prompt_token_ids=ids) for ids in chains]
    scored = vllm.generate(prompts, SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False), use_tqdm=False)
    scores = [
        [
            entry[token].logprob
            for token, entry in zip(ids[1:], list(output.prompt_logprobs or ())[1:], strict=True)
            if entry
        ]
        for ids, output in zip(chains, scored, strict=True)
    ]
    began = time.monotonic()
    batch = [TokensPrompt(prompt_token_ids=[1, 1000 + place]) for place in range(BATCH)]
    vllm.generate(batch, SamplingParams(max_tokens=NEW_TOKENS, ignore_eos=True, detokenize=False), use_tqdm=False)
    return {"scores": scores, "start_s": start_s, "rate": BATCH * NEW_TOKENS / (time.monotonic() - began)}


STEPS = (make_checkpoint, prepare, cut_layers, score_with_vllm, score_with_transformers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--under", type=Path, help="where the temporary folder is made")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, answer, folder, *rest = arguments.step
        step = {function.__name__: function for function in STEPS}[name]
        Path(answer).write_text(json.dumps(step(Path(folder), *rest)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.under) as folder:
        source, base = Path(folder) / "source", Path(folder) / "base"
        source.mkdir()
        made = _run(make_checkpoint, source)
        prepared = _run(prepare, source, base)
        served = _run(score_with_vllm, base, "bfloat16")
        rounded = _differences(served, _run(score_with_transformers, base, "bfloat16"))
        cut = Path(folder) / "cut"
        _run(cut_layers, base, cut)
        exact = _differences(_run(score_with_vllm, cut, "float32"), _run(score_with_transformers, cut, "float32"))
        weights = sum(file.stat().st_size for file in base.glob("*.safetensors"))
    report(
        "true_shape",
        [
            Result("text weights", weights / 1e9, "GB"),
            Result("prepare", prepared["seconds"], "s"),
            Result("prepare, peak memory", prepared["peak"] / 1e9, "GB"),
            Result(
                "prepare, memory above its imports / largest shard",
                prepared["grown"] / made["largest_shard"],
                "×",
                "<= 1.5",
            ),
            Result("vLLM start", served["start_s"], "s"),
            Result(f"vLLM in BF16, {BATCH} at once", served["rate"], "tokens/s"),
            Result("vLLM against transformers, tokens compared", len(exact), "tokens", ">= 500"),
            Result(f"largest |Δ log-probability|, float32, {CUT_LAYERS} layers", max(exact), "nat", "<= 0.05"),
            Result("largest |Δ log-probability|, BF16", max(rounded), "nat"),
            Result("mean |Δ log-probability|, BF16", sum(rounded) / len(rounded), "nat"),
        ],
        note="random weights: what depends on shape alone",
    )


def _chains(base: Path) -> list[list[int]]:
    """Whole chains of unseen situations, control tokens and all."""
    from tear_chain.tokenizer import ChainTokenizer
    from tear_training.examples import encode_row
    from tear_training.world import World

    tokenizer = ChainTokenizer.load(base)
    rows = World(11, table="woven").rows(split="test", count=CHAINS)
    return [list(encode_row(row, tokenizer, context=1024).tokens) for row in rows]


def _differences(ours: dict[str, Any], reference: dict[str, Any]) -> list[float]:
    return [
        abs(a - b)
        for chain_a, chain_b in zip(ours["scores"], reference["scores"], strict=True)
        for a, b in zip(chain_a, chain_b, strict=True)
    ]


def _run(step: Callable[..., dict[str, Any]], folder: Path, *rest: Path | str) -> dict[str, Any]:
    """One step in a process of its own, so that its memory is its own and gone afterwards."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        print(step.__name__, *map(str, rest), "…", flush=True)
        subprocess.run(
            [sys.executable, __file__, "--step", step.__name__, answer.name, str(folder), *map(str, rest)],
            check=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        )
        found: dict[str, Any] = json.loads(Path(answer.name).read_text())
        return found


def _bytes(shape: tuple[int, ...]) -> int:
    size = 2
    for side in shape:
        size *= side
    return size


if __name__ == "__main__":
    main()
