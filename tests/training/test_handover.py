"""Laws of the hand-over: nothing becomes an adapter that vLLM would refuse, or pass over without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError
from tear_chain.format import FORMAT_VERSION
from tear_chain.manifest import CONFIG_FILE, DRAFT_WITNESS_REVISE, WEIGHTS_FILE, Manifest, load_manifest
from tear_chain.prepared import load_prepared
from tear_chain.tokens import TOKEN_NAMES
from tear_server.publication import read_publication
from tear_training.adapter import ChainModel, add_adapter, load_base, save_adapter
from tear_training.config import LoraSettings, TrainConfig
from tear_training.handover import REFUSED_SETTINGS, VLLM_RANKS, check_plain_lora, hand_over

RANK = 8
CONFIG = TrainConfig.model_validate(
    {
        "name": "tiny",
        "train": [{"world": {"seed": 1, "split": "train", "rows": 1}}],
        "validation": [{"world": {"seed": 1, "split": "validation", "rows": 1}}],
        "lora": {"rank": RANK},
        "passes": [{"name": "only", "mix": {}, "learning_rate": 1, "lambda": {"start": 1, "end": 1}}],
    }
)
HALF = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"


def adapted(base: Path) -> ChainModel:
    """The tiny base with a LoRA that says something, though nothing was learned."""
    peft = add_adapter(load_base(base, longest=64), LoraSettings(rank=RANK), seed=1)
    with torch.no_grad():
        for name, weight in peft.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    return ChainModel(peft, precision=torch.float32).eval()


@pytest.fixture
def adapter(tiny_base: Path, tmp_path: Path) -> Path:
    out = tmp_path / "adapter"
    out.mkdir()
    save_adapter(adapted(tiny_base).peft, out, base=load_prepared(tiny_base))
    return out


def manifest_of(folder: Path, base: Path, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": "tiny",
        "order": DRAFT_WITNESS_REVISE,
        "base_fingerprint": load_prepared(base).fingerprint,
        "token_names": TOKEN_NAMES,
        "rank": RANK,
        "code_version": "0.1.0",
        "seed": 1,
        "passes": (),
        "data": (),
        "non_commercial": False,
        "metrics": {},
        "files": {name: describe(folder / name) for name in (WEIGHTS_FILE, CONFIG_FILE)},
    }
    return Manifest(**(values | changes))


def over(adapter: Path, base: Path) -> None:
    hand_over(adapter, manifest_of(adapter, base), CONFIG, base=base, card=load_prepared(base))


def test_what_is_handed_over_has_its_card_and_its_manifest(adapter: Path, tiny_base: Path) -> None:
    over(adapter, tiny_base)
    assert {path.name for path in adapter.iterdir()} == {WEIGHTS_FILE, CONFIG_FILE, "README.md", "manifest.json"}
    assert load_manifest(adapter).version in (adapter / "README.md").read_text()
    assert read_publication(adapter).files[-1] == "manifest.json"


def test_in_plain_peft_the_adapter_has_the_logits_that_training_saw(adapter: Path, tiny_base: Path) -> None:
    ours = adapted(tiny_base)
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), str(adapter)).eval()
    ids = torch.arange(200, 240)[None]
    with torch.no_grad():
        logits = ours(ids) @ ours.head.T
        assert torch.allclose(plain(input_ids=ids).logits, logits, atol=1e-5)
        with plain.disable_adapter():
            assert not torch.allclose(plain(input_ids=ids).logits, logits, atol=1e-2)


def test_ranks_are_those_of_vllm() -> None:
    from typing import get_args

    from vllm.config.lora import MaxLoRARanks

    assert get_args(MaxLoRARanks) == VLLM_RANKS
    assert set(get_args(LoraSettings.model_fields["rank"].annotation)) <= set(VLLM_RANKS)


def test_vllm_reads_the_settings_as_a_lora_of_its_rank(adapter: Path) -> None:
    from vllm.config.lora import LoRAConfig
    from vllm.lora.peft_helper import PEFTHelper

    PEFTHelper.from_local_dir(str(adapter), None).validate_legal(LoRAConfig(max_lora_rank=RANK))


@pytest.mark.parametrize("setting", [*REFUSED_SETTINGS, "bias", "init_lora_weights"])
def test_settings_of_more_than_a_plain_lora_are_refused_by_name(setting: str, adapter: Path, tiny_base: Path) -> None:
    path = adapter / CONFIG_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), setting: "pissa"}))
    with pytest.raises(AdapterError, match=setting):
        over(adapter, tiny_base)
    assert not (adapter / "manifest.json").exists()


def renamed(old: str, new: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: {name.replace(old, new): tensor for name, tensor in tensors.items()}


def with_half(change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda tensors: tensors | {HALF: change(tensors[HALF])}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (renamed("model.layers.0", "vision_tower.layers.0"), "vision_tower.* no such layer"),
        (renamed("layers.1.", "layers.90."), r"layers\.90.* no such layer"),
        (renamed("self_attn.q_proj", "embed_tokens"), "embed_tokens.* no such layer"),
        (lambda tensors: {HALF.replace("_B.weight", "_magnitude_vector"): torch.ones(1)}, "no half of a LoRA's pair"),
        (lambda tensors: {name: tensor for name, tensor in tensors.items() if name != HALF}, "without its other half"),
        (lambda tensors: {}, "is empty"),
        (with_half(lambda half: half[:-1].contiguous()), r"as \(63, 8\)"),
        (with_half(lambda half: half.to(torch.int8)), "int8"),
        (with_half(lambda half: half * float("nan")), "no numbers"),
    ],
    ids=["vision", "no-layer", "embedding", "more", "one-half", "empty", "shape", "integers", "nan"],
)
def test_every_weight_must_have_its_place_in_the_text_model(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], told: str, adapter: Path, tiny_base: Path
) -> None:
    save_file(change(load_file(adapter / WEIGHTS_FILE)), adapter / WEIGHTS_FILE)
    with pytest.raises(AdapterError, match=told):
        over(adapter, tiny_base)
    assert not (adapter / "manifest.json").exists()


@pytest.mark.parametrize("name", ["adapter_model.bin", "training_args.bin", "scheduler.PT"])
def test_pickles_beside_the_weights_are_refused(name: str, adapter: Path, tiny_base: Path) -> None:
    (adapter / name).write_bytes(b"\x80\x04.")
    with pytest.raises(AdapterError, match=name):
        over(adapter, tiny_base)


@pytest.mark.parametrize("rank", [12, 16])
def test_the_rank_is_one_that_vllm_takes_and_the_weights_have(rank: int, adapter: Path, tiny_base: Path) -> None:
    with pytest.raises(AdapterError, match=f"rank {rank}"):
        check_plain_lora(adapter, base=tiny_base, rank=rank)
