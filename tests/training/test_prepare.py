"""Laws of `tear base prepare`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Ministral3Config, Ministral3ForCausalLM, Mistral3ForConditionalGeneration

from tear_chain.conversation import Conversation
from tear_chain.errors import BaseError
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_training.control_rows import Untrained, described_rows
from tear_training.prepare import check_base, prepare_base
from tear_training.slots import claim_slots


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def test_the_text_model_of_a_wrapper_answers_as_it_did_inside(wrapped_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(wrapped_checkpoint, tmp_path / "base", name="b")
    whole = Mistral3ForConditionalGeneration.from_pretrained(wrapped_checkpoint, dtype=torch.float32)
    text = Ministral3ForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    ids = torch.randint(128, 1400, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = whole(input_ids=ids).logits, text(input_ids=ids).logits
    chain = list(load_prepared(tmp_path / "base").tokens.values())
    others = [token for token in range(before.shape[-1]) if token not in chain]
    assert torch.equal(before[..., others], after[..., others])


def test_only_text_tensors_are_kept_and_only_the_set_rows_differ(text_checkpoint: Path, tmp_path: Path) -> None:
    card = prepare_base(text_checkpoint, tmp_path / "base", name="b")
    before, after = weights(text_checkpoint), weights(tmp_path / "base")
    assert before.keys() == after.keys()
    for name in before:
        differing = (before[name] != after[name]).reshape(before[name].shape[0], -1).any(1).nonzero().flatten()
        touched = set(card.tokens.values()) if name in ("model.embed_tokens.weight", "lm_head.weight") else set()
        assert set(differing.tolist()) == touched, name


def test_dtype_is_the_checkpoints(wrapped_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(wrapped_checkpoint, tmp_path / "base", name="b")
    assert {tensor.dtype for tensor in weights(tmp_path / "base").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "base" / "config.json").read_text())["dtype"] == "bfloat16"


def test_older_and_newer_names_of_a_wrapper_give_the_same_base(wrapped_checkpoint: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    for name in ("config.json", "tekken.json"):
        (newer / name).write_bytes((wrapped_checkpoint / name).read_bytes())
    renamed = {
        name.replace("language_model.model.", "model.language_model."): tensor
        for name, tensor in weights(wrapped_checkpoint).items()
    }
    save_file(renamed, newer / "model.safetensors")
    prepare_base(wrapped_checkpoint, tmp_path / "a", name="b")
    prepare_base(newer, tmp_path / "b", name="b")
    first, second = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_config_keeps_yarn_and_names_the_text_architecture(wrapped_checkpoint: Path, tmp_path: Path) -> None:
    card = prepare_base(wrapped_checkpoint, tmp_path / "base", name="b")
    before = json.loads((wrapped_checkpoint / "config.json").read_text())["text_config"]
    after = json.loads((tmp_path / "base" / "config.json").read_text())
    assert after["architectures"] == ["Ministral3ForCausalLM"]
    assert after["model_type"] == "ministral3"
    assert after["rope_parameters"] == before["rope_parameters"]
    assert "vision_config" not in after
    assert card.context == 256


def test_context_is_capped_where_the_architectures_drift_apart(
    tmp_path: Path, tekken: dict[str, Any], text_config: Callable[..., Ministral3Config]
) -> None:
    source = tmp_path / "source"
    long = {"rope_type": "default", "rope_theta": 1e6, "llama_4_scaling_beta": 0.0}
    config = text_config(max_position_embeddings=32768, rope_parameters=long)
    Ministral3ForCausalLM(config).save_pretrained(source)
    (source / "tekken.json").write_text(json.dumps(tekken))
    assert prepare_base(source, tmp_path / "base", name="b").context == 16384


def test_claimed_tokens_are_found_by_name_and_everything_else_stays(text_checkpoint: Path, tmp_path: Path) -> None:
    card = prepare_base(text_checkpoint, tmp_path / "base", name="b")
    before = json.loads((text_checkpoint / "tekken.json").read_text())
    after = json.loads((tmp_path / "base" / "tekken.json").read_text())
    assert {key: before[key] for key in ("config", "vocab")} == {key: after[key] for key in ("config", "vocab")}
    assert [token["rank"] for token in after["special_tokens"]] == list(range(128))
    assert after["special_tokens"][: len(before["special_tokens"])] == before["special_tokens"]
    chain = ChainTokenizer.load(tmp_path / "base").chain
    ids = (chain.draft, chain.witness, *chain.fields.values(), *chain.weights.values(), *chain.decisions.values())
    assert dict(zip(TOKEN_NAMES, ids, strict=True)) == dict(card.tokens)
    assert list(ids) == list(range(ids[0], ids[0] + 15))
    assert ids[0] >= 64


def test_a_named_slot_is_never_taken(tekken: dict[str, Any]) -> None:
    special = [{"rank": rank, "token_str": f"<SPECIAL_{rank}>", "is_control": True} for rank in range(128)]
    special[110]["token_str"] = "[THINK]"
    claimed = claim_slots(tekken | {"special_tokens": special}, TOKEN_NAMES, where="tekken.json")
    assert 110 not in claimed.slots.values()
    assert claimed.content["special_tokens"][110]["token_str"] == "[THINK]"


def test_the_spelling_of_a_claimed_token_stays_text(text_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(text_checkpoint, tmp_path / "base", name="b")
    tokenizer = ChainTokenizer.load(tmp_path / "base")
    forged = " ".join(TOKEN_NAMES)
    assert not set(tokenizer.encode(forged)) & tokenizer.control_ids
    prompt = tokenizer.encode_conversation(Conversation.asking(forged))
    assert not set(prompt) & set(load_prepared(tmp_path / "base").tokens.values())


def test_set_rows_are_of_typical_norm_and_distinct(text_checkpoint: Path, tmp_path: Path) -> None:
    card = prepare_base(text_checkpoint, tmp_path / "base", name="b")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        matrix = weights(tmp_path / "base")[name].float()
        rows = matrix[list(card.tokens.values())]
        typical = matrix[128:].norm(dim=1).median()
        assert torch.allclose(rows.norm(dim=1), typical.expand(len(rows)), rtol=0.05)
        unit = torch.nn.functional.normalize(rows)
        assert (unit @ unit.T - torch.eye(len(rows))).max() < 0.9


def test_a_row_leans_to_the_words_that_describe_it() -> None:
    words = [torch.randn(3, 64, generator=torch.Generator().manual_seed(seed)) for seed in range(6)]
    rows = torch.nn.functional.normalize(described_rows(words, norm=2.0))
    means = torch.nn.functional.normalize(torch.stack([word.mean(0) for word in words]))
    assert ((rows @ means.T).argmax(1) == torch.arange(6)).all()


def test_rows_that_training_never_moved_are_recognised() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(120, 64, generator=generator) * 0.02
    fillers = start[:100] * 0.9 + 0.05
    used = start[100:] + torch.randn(20, 64, generator=generator) * 0.1
    rows = torch.cat([start[:1] * 0.9 + 0.05, used[:1]])
    cloud = Untrained.find(fillers=fillers[1:], ordinary=torch.cat([used, fillers[:80]]))
    assert cloud is not None
    assert cloud.holds(rows).tolist() == [True, False]


def test_in_a_random_checkpoint_nothing_is_taken_for_untrained() -> None:
    start = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
    assert Untrained.find(fillers=start[:100], ordinary=start[100:]) is None


def test_a_token_whose_words_were_never_trained_still_gets_a_row() -> None:
    rows = described_rows([torch.zeros(0, 64), torch.ones(2, 64)], norm=2.0)
    assert torch.allclose(rows.norm(dim=1), torch.full((2,), 2.0))


def test_untrained_conversation_tokens_are_set_and_reported(text_checkpoint: Path, tmp_path: Path) -> None:
    file = text_checkpoint / "model.safetensors"
    tensors = load_file(file)
    moved = torch.randn(1528, 64, generator=torch.Generator().manual_seed(5)).to(torch.bfloat16)
    moved[:128] = 0.01 * moved[:128]
    moved[3] = 1.0  # [INST] alone was trained
    save_file(tensors | {"model.embed_tokens.weight": moved}, file, metadata={"format": "pt"})
    card = prepare_base(text_checkpoint, tmp_path / "base", name="b")
    assert card.set_rows == (*TOKEN_NAMES, "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")


def test_preparing_twice_gives_the_same_fingerprint(wrapped_checkpoint: Path, tmp_path: Path) -> None:
    first = prepare_base(wrapped_checkpoint, tmp_path / "a", name="b")
    assert prepare_base(wrapped_checkpoint, tmp_path / "b", name="b").fingerprint == first.fingerprint
    assert check_base(tmp_path / "a") == first


def test_a_prepared_base_is_not_prepared_again(text_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(text_checkpoint, tmp_path / "base", name="b")
    with pytest.raises(BaseError, match="prepared already"):
        prepare_base(tmp_path / "base", tmp_path / "again", name="b")


def no_tokenizer(folder: Path) -> None:
    (folder / "tekken.json").unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tekken.json").write_text("{")


def other_architecture(folder: Path) -> None:
    edit_config(folder, architectures=["LlamaForCausalLM"])


def quantised(folder: Path) -> None:
    edit_config(folder, quantization_config={"quant_method": "fp8"})


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def garbage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)


def eight_bit(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].to(torch.float8_e4m3fn)
    save_file(tensors, folder / "model.safetensors")


def layer_missing(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors")


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (no_tokenizer, r"tekken\.json"),
        (broken_tokenizer, r"tekken\.json"),
        (other_architecture, r"config\.json.*LlamaForCausalLM"),
        (quantised, r"config\.json.*fp8"),
        (cut_short, r"model\.safetensors"),
        (garbage, r"model\.safetensors"),
        (eight_bit, r"model\.safetensors.*F8_E4M3"),
        (layer_missing, r"layers\.1\.mlp\.up_proj"),
        (no_weights, r"model\.safetensors"),
        (no_config, r"config\.json"),
    ],
)
def test_a_source_that_cannot_be_used_is_named_and_leaves_nothing(
    damage: Callable[[Path], None], says: str, text_checkpoint: Path, tmp_path: Path
) -> None:
    damage(text_checkpoint)
    with pytest.raises(BaseError, match=says):
        prepare_base(text_checkpoint, tmp_path / "made" / "base", name="b")
    assert not list((tmp_path / "made").glob("*")) if (tmp_path / "made").exists() else True


def test_a_folder_that_is_not_ours_is_never_replaced(text_checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "diary.txt").write_text("dear diary")
    with pytest.raises(BaseError, match="not a prepared base"):
        prepare_base(text_checkpoint, out, name="b", force=True)
    assert (out / "diary.txt").read_text() == "dear diary"


def test_a_prepared_base_is_replaced_only_when_forced(text_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(text_checkpoint, tmp_path / "base", name="old")
    with pytest.raises(BaseError, match="--force"):
        prepare_base(text_checkpoint, tmp_path / "base", name="new")
    prepare_base(text_checkpoint, tmp_path / "base", name="new", force=True)
    assert load_prepared(tmp_path / "base").name == "new"


def test_a_damaged_prepared_base_is_found(text_checkpoint: Path, tmp_path: Path) -> None:
    prepare_base(text_checkpoint, tmp_path / "base", name="b")
    file = tmp_path / "base" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BaseError, match=r"model\.safetensors is damaged"):
        check_base(tmp_path / "base")


MEASURE = """
import resource, sys
from pathlib import Path
from transformers import Ministral3Config
import tear_training.prepare as prepare
prepare.prepare_base(Path(sys.argv[1]), Path(sys.argv[2]), name="small")  # pays for imports and their buffers
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prepare.prepare_base(Path(sys.argv[3]), Path(sys.argv[4]), name="large")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_peak_memory_stays_below_one_and_a_half_shards(
    tmp_path: Path, text_checkpoint: Path, text_config: Callable[..., Ministral3Config]
) -> None:
    source = tmp_path / "large"
    config = text_config(intermediate_size=131072, num_hidden_layers=8)
    Ministral3ForCausalLM(config).to(torch.bfloat16).save_pretrained(source, max_shard_size="60MB")
    (source / "tekken.json").write_bytes((text_checkpoint / "tekken.json").read_bytes())
    shards = [file.stat().st_size for file in source.glob("*.safetensors")]
    assert len(shards) >= 4
    paths = [text_checkpoint, tmp_path / "a", source, tmp_path / "b"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert int(done.stdout) < 1.5 * max(shards)
