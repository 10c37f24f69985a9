"""Laws of the training configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_training.config import load_config, save_config

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
RECIPES = sorted(path for path in CONFIGS.glob("*.yaml") if not path.stem.endswith("-sweep"))
SMALL = """
name: small
train: [{world: {seed: 1, split: train, rows: 8}}]
validation: [{file: rows.jsonl}]
passes:
  - {name: only, mix: {opening: 1}, learning_rate: 1e-3, lambda: {start: 0.3, end: 1}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_configurations_load_and_open_with_their_command(path: Path) -> None:
    load_config(path)
    assert path.read_text().startswith(f"# tear train training/configs/{path.name} ")


def test_unknown_keys_are_named_and_all_errors_come_together(tmp_path: Path) -> None:
    text = SMALL.replace("name: small", "name: small\nlearning_rte: 1\nlora: {rank: 12, alfa: 1}")
    with pytest.raises(DataError) as caught:
        load_config(written(tmp_path, text.replace("start: 0.3", "start: -1")))
    places = ("lora.rank", "passes.0.lambda.start")
    for part in ("config.yaml", "learning_rte: unknown key", "lora.alfa: unknown key", *places):
        assert part in caught.value.message


def test_a_source_is_exactly_one_thing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"validation\.0: give exactly one of world and file"):
        load_config(written(tmp_path, SMALL.replace("{file: rows.jsonl}", "{}")))


def test_overrides_reach_into_lists(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SMALL), overrides=["passes.0.lambda.end=0.5", "seed=3", "lora.rank=32"])
    assert (config.passes[0].lambda_.end, config.seed, config.lora.rank) == (0.5, 3, 32)


@pytest.mark.parametrize("override", ["seed", "=1", "passes.7.epochs=1", "name.first=x"])
def test_an_override_that_fits_nowhere_is_named(override: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--set"):
        load_config(written(tmp_path, SMALL), overrides=[override])


@pytest.mark.parametrize("text", ["a: [", "just words", "", "\xff"], ids=["broken", "text", "empty", "byte"])
def test_what_is_no_configuration_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"config\.yaml"):
        load_config(written(tmp_path, text))


def test_the_effective_configuration_loads_as_itself(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SMALL), overrides=["seed=4"])
    save_config(tmp_path / "effective.yaml", config, comment="made by a test")
    assert load_config(tmp_path / "effective.yaml") == config


def test_lambda_moves_in_a_straight_line(tmp_path: Path) -> None:
    ramp = load_config(written(tmp_path, SMALL)).passes[0].lambda_
    assert [ramp.at(done) for done in (0, 0.5, 1)] == pytest.approx([0.3, 0.65, 1.0])


def test_a_number_alone_is_a_lambda_that_stays(tmp_path: Path) -> None:
    ramp = load_config(written(tmp_path, SMALL), overrides=["passes.0.lambda=0.5"]).passes[0].lambda_
    assert (ramp.start, ramp.end) == (0.5, 0.5)


@pytest.mark.parametrize("value", ["true", "'0.5'", "-1", ".nan"])
def test_a_lambda_that_is_no_weight_is_named(value: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"passes\.0\.lambda"):
        load_config(written(tmp_path, SMALL.replace("{start: 0.3, end: 1}", value)))


def test_packs_need_no_micro_rows(tmp_path: Path) -> None:
    packed = load_config(written(tmp_path, SMALL + "batching: {rows_per_step: 10, pack_tokens: 512}"))
    assert packed.batching.pack_tokens == 512
    with pytest.raises(DataError, match="no multiple of micro_rows"):
        load_config(written(tmp_path, SMALL + "batching: {rows_per_step: 10}"))


@pytest.mark.parametrize(("key", "value"), [("order", "witness_last"), ("normalize", "rank")])
def test_a_choice_that_there_is_not_is_named_with_those_there_are(key: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{key}: Input should be .*{value}"):
        load_config(written(tmp_path, SMALL), overrides=[f"{key}={value}"])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_configurations_name_rows_that_are_there(path: Path) -> None:
    config = load_config(path)
    named = [source.file for source in (*config.train, *config.validation) if source.file is not None]
    assert [file for file in named if not (path.parent / file).exists()] == []


@pytest.mark.parametrize("name", ["ministral-3b-4090", "ministral-3b-qlora"])
def test_the_real_base_is_taught_in_three_passes_by_the_lora_of_the_design(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (16, 32, 0.05)
    assert config.lora.targets == ("q", "k", "v", "o")
    assert [each.name for each in config.passes] == ["warmth", "exposure", "integration"]
    assert not config.allow_harmful_targets
