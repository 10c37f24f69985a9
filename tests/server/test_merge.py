from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from tear_chain.artifact import describe, fingerprint, read_card
from tear_chain.errors import AdapterError, AdapterMismatch, BaseError
from tear_chain.manifest import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE, Manifest, load_manifest, save_manifest
from tear_chain.prepared import CARD_FILE, load_prepared, save_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapter_command import adapter_app
from tear_server.merge import MERGED_FILE, merge_adapter, merged_adapter

Q_PROJ = "model.layers.0.self_attn.q_proj"
runner = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"})


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Path:
    out = tmp_path_factory.mktemp("merge") / "merged"
    merge_adapter(nano_base, nano_adapter, out)
    return out


@pytest.fixture
def adapter(tmp_path: Path, nano_adapter: Path) -> Path:
    """A copy of nano's adapter, to be changed."""
    return Path(shutil.copytree(nano_adapter, tmp_path / "adapter"))


def sign(adapter: Path) -> None:
    """Make the manifest fit the changed files, so that only the merge can tell."""
    card = read_card(adapter / MANIFEST_FILE, Manifest, AdapterError)
    save_manifest(adapter, card.model_copy(update={"files": {name: describe(adapter / name) for name in card.files}}))


def configure(adapter: Path, **changes: Any) -> None:
    config = json.loads((adapter / CONFIG_FILE).read_text())
    (adapter / CONFIG_FILE).write_text(json.dumps({**config, **changes}))
    sign(adapter)


def reweigh(adapter: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    save_file(change(load_file(adapter / WEIGHTS_FILE)), adapter / WEIGHTS_FILE)
    sign(adapter)


def peft_merged(base: Path, adapter: Path) -> dict[str, Tensor]:
    """What PEFT makes of both, in float32."""
    from peft import PeftModel
    from transformers import Ministral3ForCausalLM

    model = PeftModel.from_pretrained(Ministral3ForCausalLM.from_pretrained(base, dtype=torch.float32), adapter)
    found: dict[str, Tensor] = model.merge_and_unload().state_dict()
    return found


# What is made


def test_the_weights_are_those_that_peft_merges(merged: Path, nano_base: Path, nano_adapter: Path) -> None:
    ours, theirs = load_file(merged / "model.safetensors"), peft_merged(nano_base, nano_adapter)
    for name, weight in ours.items():
        exact = theirs[name]
        assert weight.dtype is torch.bfloat16
        # The two may sum in another order: a value in the middle between two of BF16 may fall to either side.
        assert torch.allclose(weight.float(), exact, rtol=2**-8, atol=1e-30), name
        assert (weight != exact.bfloat16()).float().mean() < 1e-3, name


def test_plain_transformers_answers_with_it_as_peft_does_with_both(
    merged: Path, nano_base: Path, nano_adapter: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)
    parts = AutoModelForCausalLM.from_pretrained(nano_base, dtype=torch.float32)
    ids = torch.arange(1000, 1100)[None]
    with torch.no_grad():
        bare = parts(input_ids=ids).logits.log_softmax(-1)
        exact = PeftModel.from_pretrained(parts, nano_adapter)(input_ids=ids).logits.log_softmax(-1)
        found = whole(input_ids=ids).logits.log_softmax(-1)
    # What is left is the one rounding of the weights to BF16.
    assert (found - exact).abs().mean() < 0.02 * (found - bare).abs().mean()


def test_rank_stabilized_adapters_are_merged_as_peft_does(adapter: Path, nano_base: Path, tmp_path: Path) -> None:
    configure(adapter, use_rslora=True)
    merge_adapter(nano_base, adapter, tmp_path / "out")
    ours, theirs = load_file(tmp_path / "out" / "model.safetensors"), peft_merged(nano_base, adapter)
    name = f"{Q_PROJ}.weight"
    assert torch.allclose(ours[name].float(), theirs[name], rtol=2**-8, atol=1e-30)


def test_every_layer_that_the_adapter_names_changes_and_no_other(
    merged: Path, nano_base: Path, nano_adapter: Path
) -> None:
    before, after = load_file(nano_base / "model.safetensors"), load_file(merged / "model.safetensors")
    halves = {
        key.removeprefix("base_model.model.").partition(".lora_")[0] for key in load_file(nano_adapter / WEIGHTS_FILE)
    }
    assert before.keys() == after.keys()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        f"{half}.weight" for half in halves
    }


def test_what_is_made_is_a_prepared_base_that_says_what_it_was_merged_from(
    merged: Path, nano_base: Path, nano_adapter: Path
) -> None:
    card, base, manifest = load_prepared(merged, whole=True), load_prepared(nano_base), load_manifest(nano_adapter)
    assert (card.name, card.context, card.tokens) == (base.name, base.context, base.tokens)
    assert card.fingerprint != base.fingerprint
    for part in (base.fingerprint, manifest.name, manifest.version):
        assert part in card.source
    assert ChainTokenizer.load(merged).chain == ChainTokenizer.load(nano_base).chain


def test_the_adapter_that_was_merged_in_is_known_by_its_version(
    merged: Path, nano_base: Path, nano_adapter: Path
) -> None:
    found = merged_adapter(merged, load_prepared(merged))
    assert found is not None
    assert found.manifest == load_manifest(nano_adapter)
    assert merged_adapter(nano_base, load_prepared(nano_base)) is None


def test_the_adapter_does_not_fit_the_base_that_it_is_in(merged: Path, nano_adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterMismatch):
        merge_adapter(merged, nano_adapter, tmp_path / "twice")


def test_a_base_in_shards_is_merged_shard_by_shard(
    merged: Path, nano_base: Path, adapter: Path, tmp_path: Path
) -> None:
    sharded = Path(shutil.copytree(nano_base, tmp_path / "sharded"))
    tensors = load_file(sharded / "model.safetensors")
    (sharded / "model.safetensors").unlink()
    for number, names in enumerate((sorted(tensors)[::2], sorted(tensors)[1::2])):
        save_file({name: tensors[name] for name in names}, sharded / f"model-{number}.safetensors", {"format": "pt"})
    files = {path.name: describe(path) for path in sharded.iterdir() if path.name not in ("nano.json", CARD_FILE)}
    changes = {"files": files, "fingerprint": fingerprint(files)}
    save_prepared(sharded, load_prepared(nano_base).model_copy(update=changes))
    manifest = load_manifest(adapter)
    save_manifest(adapter, manifest.model_copy(update={"base_fingerprint": fingerprint(files)}))
    merge_adapter(sharded, adapter, tmp_path / "out")
    whole = load_file(merged / "model.safetensors")
    parts = [load_file(tmp_path / "out" / f"model-{number}.safetensors") for number in (0, 1)]
    assert parts[0].keys() | parts[1].keys() == whole.keys()
    assert all(torch.equal(part[name], whole[name]) for part in parts for name in part)


def test_the_same_merge_is_not_made_twice(merged: Path, nano_base: Path, nano_adapter: Path) -> None:
    before = (merged / CARD_FILE).stat().st_mtime_ns
    assert merge_adapter(nano_base, nano_adapter, merged).folder == merged
    assert (merged / CARD_FILE).stat().st_mtime_ns == before


# What is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"use_dora": True},
        {"fan_in_fan_out": True},
        {"lora_bias": True},
        {"bias": "all"},
        {"alpha_pattern": {"q_proj": 8}},
        {"modules_to_save": ["lm_head"]},
        {"layer_replication": [[0, 1]]},
        {"init_lora_weights": "pissa"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_settings_that_are_not_merged_here_are_refused_by_name(
    adapter: Path, nano_base: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    configure(adapter, **changes)
    with pytest.raises(AdapterError, match=next(iter(changes))):
        merge_adapter(nano_base, adapter, tmp_path / "out")


@pytest.mark.parametrize(
    "contents",
    ["[]", "{}", "{", '{"peft_type": "LORA", "lora_alpha": "much"}', '{"peft_type": "IA3", "lora_alpha": 1}'],
)
def test_a_configuration_of_no_lora_is_named(adapter: Path, nano_base: Path, tmp_path: Path, contents: str) -> None:
    (adapter / CONFIG_FILE).write_text(contents)
    sign(adapter)
    with pytest.raises(AdapterError, match=CONFIG_FILE):
        merge_adapter(nano_base, adapter, tmp_path / "out")


def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace(".layers.0.", ".layers.90."): tensor for name, tensor in tensors.items()}


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if f"{Q_PROJ}.lora_B" not in name}


def strange(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {f"base_model.model.{Q_PROJ}.lora_magnitude_vector": torch.ones(1)}


def with_half(value: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    name = f"base_model.model.{Q_PROJ}.lora_B.weight"
    return lambda tensors: tensors | {name: value(tensors[name])}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (moved, "which .* has not"),
        (halved, "q_proj.lora_A.weight, which is no half"),
        (strange, "lora_magnitude_vector, which is no half"),
        (lambda _: {}, "is empty"),
        (with_half(lambda half: half * 0), f"changes nothing in {Q_PROJ}.weight"),
        (with_half(lambda half: half * 1e-12), f"changes nothing in {Q_PROJ}.weight"),
        (with_half(lambda half: half * float("nan")), "are not numbers"),
        (with_half(lambda half: half * 1e40), "are not numbers, or too large"),
        (with_half(lambda half: half[:-1].contiguous()), r"are \(191, 16\) by"),
    ],
    ids=["elsewhere", "one-half", "more", "empty", "zero", "tiny", "nan", "huge", "shape"],
)
def test_every_weight_of_the_adapter_must_find_its_place_and_change_it(
    adapter: Path,
    nano_base: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    told: str,
) -> None:
    reweigh(adapter, change)
    with pytest.raises(AdapterError, match=told):
        merge_adapter(nano_base, adapter, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter"]


def test_a_file_that_is_no_safetensors_is_named(adapter: Path, nano_base: Path, tmp_path: Path) -> None:
    (adapter / WEIGHTS_FILE).write_bytes(b"\x80\x04.")
    sign(adapter)
    with pytest.raises(AdapterError, match=WEIGHTS_FILE):
        merge_adapter(nano_base, adapter, tmp_path / "out")


def test_a_damaged_adapter_is_named(adapter: Path, nano_base: Path, tmp_path: Path) -> None:
    (adapter / WEIGHTS_FILE).write_bytes((adapter / WEIGHTS_FILE).read_bytes()[:-1])
    with pytest.raises(AdapterError, match=WEIGHTS_FILE):
        merge_adapter(nano_base, adapter, tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(nano_base: Path, nano_adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    for out in (tmp_path, tmp_path / "notes", nano_base):
        with pytest.raises(BaseError, match=out.name):
            merge_adapter(nano_base, nano_adapter, out)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_another_merge_is_not_overwritten(merged: Path, adapter: Path, nano_base: Path) -> None:
    reweigh(adapter, with_half(lambda half: half * 0.5))
    with pytest.raises(BaseError, match="Name another folder"):
        merge_adapter(nano_base, adapter, merged)


# The command


def test_torch_is_loaded_when_something_is_merged_and_not_before() -> None:
    script = "import sys, tear_server.merge, tear_server.adapter_command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_command_says_what_it_made(nano_base: Path, nano_adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = runner.invoke(
        adapter_app, ["export", str(nano_adapter), "--merge", "--base", str(nano_base), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert str(out) in result.output.replace("\n", "")
    assert load_manifest(nano_adapter).version in result.output
    assert (out / MERGED_FILE).is_file()


@pytest.mark.parametrize("half", [["--merge"], ["--base", "b"]], ids=["no-base", "no-merge"])
def test_a_merge_is_told_its_base(half: list[str], nano_adapter: Path, tmp_path: Path) -> None:
    result = runner.invoke(adapter_app, ["export", str(nano_adapter), "--out", str(tmp_path / "out"), *half])
    assert result.exit_code == 2
    assert "--merge and --base go together" in result.output
