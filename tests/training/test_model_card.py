"""The model card tells what manifest and settings hold, and nothing that was typed by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tear_chain.artifact import read_card
from tear_chain.errors import AdapterError, BaseError
from tear_chain.manifest import MANIFEST_FILE, Manifest
from tear_chain.prepared import CARD_FILE, PreparedBase
from tear_training.config import TrainConfig, load_config
from tear_training.model_card import remeasure, render_card

ROOT = Path(__file__).parents[2]
NANO = ROOT / "training" / "nano"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_card(NANO / "adapter" / MANIFEST_FILE, Manifest, AdapterError)


@pytest.fixture(scope="module")
def base() -> PreparedBase:
    return read_card(NANO / "base" / CARD_FILE, PreparedBase, BaseError)


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return load_config(ROOT / "training" / "configs" / "nano.yaml")


def head(card: str) -> dict[str, Any]:
    start, front, _ = card.split("---\n", 2)
    assert start == ""
    found: dict[str, Any] = yaml.safe_load(front)
    return found


def test_the_head_is_what_a_model_hub_reads(manifest: Manifest, config: TrainConfig, base: PreparedBase) -> None:
    fetched = base.model_copy(update={"source": "someone/a-base", "revision": "ab" * 20})
    found = head(render_card(manifest, config, base=fetched))
    assert found == {
        "base_model": "someone/a-base",
        "base_model_relation": "adapter",
        "license": "apache-2.0",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "the-tear", "draft-witness-revise"],
    }


def test_a_base_that_is_on_no_hub_is_no_base_model(manifest: Manifest, config: TrainConfig, base: PreparedBase) -> None:
    assert "base_model" not in head(render_card(manifest, config, base=base))


def test_every_figure_of_the_manifest_stands_in_the_card(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    card = render_card(manifest, config, base=base)
    told = [manifest.version, manifest.base_fingerprint, manifest.order, base.license]
    for source in manifest.data:
        told += [source.name, source.sha256, str(source.rows), source.license, source.provenance]
    for each in manifest.passes:
        start, end = f"{each.lambda_start:g}", f"{each.lambda_end:g}"
        ramp = start if start == end else f"{start} → {end}"
        told += [f"| {each.name} | {each.steps} | {each.learning_rate:g} | {ramp} |"]
    told += [f"| `{name}` | {value:.4g} |" for name, value in manifest.metrics.items()]
    told += [f"rank {manifest.rank}, alpha 32, dropout 0 on q, k, v, o, gate, up, down"]
    assert [each for each in told if each not in card] == []


def test_no_figure_stands_in_the_card_but_those_it_was_given(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    none = {"passes": (), "data": (), "metrics": {}, "rank": 8, "seed": 8, "format_version": 8, "code_version": "8"}
    lora = config.lora.model_copy(update={"alpha": 8.0})
    bare = manifest.model_copy(update=none | {"base_fingerprint": "b", "files": {}})
    card = render_card(
        bare,
        config.model_copy(update={"lora": lora, "rehearsal": None}),
        base=base.model_copy(update={"fingerprint": "b", "license": "L"}),
    )
    assert set(re.findall(r"\d+", card.replace(bare.version, ""))) == {"8", "0", "256"}  # no dropout; SHA-256


def test_data_under_another_licence_makes_the_licence_a_list_of_all(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    closed = manifest.data[0].model_copy(update={"license": "CC-BY-NC-4.0, apache-2.0"})
    bound = manifest.model_copy(update={"data": (*manifest.data, closed), "non_commercial": True})
    card = render_card(bound, config, base=base)
    found = head(card)
    assert (found["license"], found["license_name"]) == ("other", "Apache-2.0 and CC-BY-NC-4.0")
    assert "non-commercial" in found["tags"]
    assert "Not for commercial use" in card


def test_an_order_that_is_not_served_is_said_and_not_offered(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    assert "tear serve --base bases/tear-nano" in render_card(manifest, config, base=base)
    card = render_card(manifest.model_copy(update={"order": "witness_first"}), config, base=base)
    assert "does not run the order `witness_first`" in card
    assert "tear serve --base" not in card


def test_new_figures_replace_the_old_ones_and_nothing_else(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    measured = manifest.model_copy(update={"metrics": {**manifest.metrics, "cas": 0.25}})
    card = render_card(manifest, config, base=base)
    assert remeasure(card, measured) == render_card(measured, config, base=base) != card
    assert remeasure("# A card of one's own\n", measured) == "# A card of one's own\n"


def test_a_pass_that_kept_an_earlier_step_says_which(
    manifest: Manifest, config: TrainConfig, base: PreparedBase
) -> None:
    kept = manifest.passes[1].model_copy(update={"kept_step": 321, "kept_nll_consequence": 0.5})
    card = render_card(manifest.model_copy(update={"passes": (kept,)}), config, base=base)
    assert f"| {kept.name} | {kept.steps}, weights of step 321 kept |" in card


def test_harmful_targets_are_said_at_the_top(manifest: Manifest, config: TrainConfig, base: PreparedBase) -> None:
    harmful = config.model_copy(update={"allow_harmful_targets": True})
    assert "Do not serve it to people" in render_card(manifest, harmful, base=base)
    assert "Do not serve it to people" not in render_card(manifest, config, base=base)


def test_a_bar_in_a_name_does_not_break_the_table(manifest: Manifest, config: TrainConfig, base: PreparedBase) -> None:
    odd = manifest.data[0].model_copy(update={"name": "a|b"})
    assert "| a\\|b | " in render_card(manifest.model_copy(update={"data": (odd,)}), config, base=base)
