"""The committed adapter means the same in transformers and in plain vLLM."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import Ministral3ForCausalLM

from tear_chain.conversation import Conversation
from tear_chain.format import ChainIds, Order, SceneIds, render
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision
from tear_training.world import World

BAR = 0.05
VLLM_SIDE = """
import json, os, sys
os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest
    base, adapter, dtype, source, target = sys.argv[1:]
    llm = LLM(base, tokenizer_mode="mistral", dtype=dtype, enforce_eager=True, enable_lora=True, max_lora_rank=16,
              max_model_len=2048, enable_prefix_caching=False)
    prompts = [{"prompt_token_ids": ids} for ids in json.load(open(source))]
    outputs = llm.generate(prompts, SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=0),
                           lora_request=LoRARequest("parity", 1, adapter), use_tqdm=False)
    found = [[entry[token].logprob for token, entry in list(zip(output.prompt_token_ids, output.prompt_logprobs))[1:]]
             for output in outputs]
    with open(target, "w") as file:
        json.dump(found, file)
    llm.llm_engine.engine_core.shutdown()  # at interpreter exit it would be too late for its threads
"""


@pytest.fixture(scope="module")
def orders(tokenizer: ChainTokenizer) -> dict[Order, list[list[int]]]:
    """Chains about unseen situations in every order: more than five hundred tokens of each to score."""
    found = {order: _chains(tokenizer, order) for order in Order}
    assert min(sum(map(len, chains)) for chains in found.values()) >= 500
    return found


@pytest.fixture(scope="module")
def chains(orders: dict[Order, list[list[int]]]) -> list[list[int]]:
    """Whole chains in the order that is served."""
    return orders[Order.DRAFT_WITNESS_REVISE]


def test_log_probabilities_agree_in_every_order(
    tmp_path: Path, nano_base: Path, nano_adapter: Path, orders: dict[Order, list[list[int]]]
) -> None:
    """In float32, where rounding cannot hide a difference of the mathematics. All orders go through one engine."""
    together = [chain for chains in orders.values() for chain in chains]
    transformers = _transformers(nano_base, nano_adapter, together, "float32")
    vllm = _vllm(tmp_path, nano_base, nano_adapter, together, "float32")
    sizes = [sum(len(chain) - 1 for chain in chains) for chains in orders.values()]
    apart: dict[str, float] = {}
    for order, theirs, ours in zip(orders, transformers.split(sizes), vllm.split(sizes), strict=True):
        apart[order] = _largest(theirs, ours)
        print(f"float32, {order}: largest difference {apart[order]:.6f} over {len(ours)} tokens")
    assert {order: far for order, far in apart.items() if not far <= BAR} == {}


def test_vllm_rounds_no_worse_than_transformers(
    tmp_path: Path, nano_base: Path, nano_adapter: Path, chains: list[list[int]]
) -> None:
    """BF16, in which nano is served: as near to exact as transformers' own BF16 is."""
    exact = _transformers(nano_base, nano_adapter, chains, "float32")
    rounded = _transformers(nano_base, nano_adapter, chains, "bfloat16")
    vllm = _vllm(tmp_path, nano_base, nano_adapter, chains, "bfloat16")
    ours, theirs = _largest(exact, vllm), _largest(exact, rounded)
    print(f"bfloat16 against float32: largest difference {ours:.3f} in vLLM, {theirs:.3f} in transformers")
    assert ours <= 1.5 * theirs


def _transformers(base: Path, adapter: Path, chains: list[list[int]], dtype: str) -> torch.Tensor:
    """Log-probability of every token but the first of each chain: (tokens,)."""
    loaded = Ministral3ForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
    model = PeftModel.from_pretrained(loaded, adapter).eval()
    found = []
    with torch.inference_mode():
        for ids in chains:
            row = torch.tensor([ids])
            logprobs = model(input_ids=row).logits[0, :-1].float().log_softmax(-1)
            found.append(logprobs.gather(-1, row[0, 1:, None])[:, 0])
    return torch.cat(found)


def _vllm(folder: Path, base: Path, adapter: Path, chains: list[list[int]], dtype: str) -> torch.Tensor:
    """The same from plain vLLM in a process of its own, as anybody would load the adapter."""
    source, target, script = folder / "chains.json", folder / "logprobs.json", folder / "vllm_side.py"
    source.write_text(json.dumps(chains))
    script.write_text(VLLM_SIDE)
    command = [sys.executable, script, base, adapter, dtype, source, target]
    subprocess.run(command, check=True, timeout=280, capture_output=True)
    return torch.cat([torch.tensor(chain) for chain in json.loads(target.read_text())])


def _largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max())


def _chains(tokenizer: ChainTokenizer, order: Order) -> list[list[int]]:
    chains = []
    for row in World(5, table="woven").rows(split="test", count=12):
        scene = row.consequence
        segments = render(
            tokenizer.chain,
            ChainIds(
                prompt=tokenizer.encode_conversation(Conversation.asking(row.input or "")),
                draft=tokenizer.encode(row.response),
                scene=SceneIds(
                    who=tokenizer.encode(scene.who or ""),
                    impact=tokenizer.encode(scene.impact),
                    ripples=tokenizer.encode(scene.ripples or ""),
                    weight=scene.weight,
                ),
                decision=Decision.REVISE if row.revised else Decision.KEEP,
                revised=tokenizer.encode(row.revised) if row.revised else None,
            ),
            order=order,
        )
        chains.append([token for segment in segments for token in segment.tokens])
    return chains
