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
from tear_chain.format import ChainIds, SceneIds, render
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
    json.dump(found, open(target, "w"))
"""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_log_probabilities_agree(
    dtype: str, tmp_path: Path, nano_base: Path, nano_adapter: Path, tokenizer: ChainTokenizer
) -> None:
    chains = _chains(tokenizer)
    (tmp_path / "chains.json").write_text(json.dumps(chains))
    script = tmp_path / "vllm_side.py"
    script.write_text(VLLM_SIDE)
    target = tmp_path / "logprobs.json"
    subprocess.run(
        [sys.executable, script, nano_base, nano_adapter, dtype, tmp_path / "chains.json", target],
        check=True,
        timeout=280,
        capture_output=True,
    )
    base = Ministral3ForCausalLM.from_pretrained(nano_base, dtype=getattr(torch, dtype))
    model = PeftModel.from_pretrained(base, nano_adapter).eval()
    worst, count = 0.0, 0
    with torch.inference_mode():
        for ids, vllm in zip(chains, json.loads(target.read_text()), strict=True):
            row = torch.tensor([ids])
            logprobs = model(input_ids=row).logits[0, :-1].float().log_softmax(-1)
            transformers = logprobs.gather(-1, row[0, 1:, None])[:, 0]
            worst = max(worst, float((transformers - torch.tensor(vllm)).abs().max()))
            count += len(vllm)
    print(f"{dtype}: max |Δ log-probability| {worst:.5f} over {count} tokens")
    assert count >= 500
    assert worst <= BAR


def _chains(tokenizer: ChainTokenizer) -> list[list[int]]:
    chains = []
    for row in World(5).rows(split="test", count=12):
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
        )
        chains.append([token for segment in segments for token in segment.tokens])
    return chains
