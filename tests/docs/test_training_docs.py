"""docs/training.md tells every key of the configuration, with its default, and the passes that made nano."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from docs.pages import read
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from true_shape import TEXT

from tear_chain.words import Field
from tear_training.config import (
    Batching,
    LoraSettings,
    Pass,
    Rehearsal,
    ResponseWeights,
    Source,
    TrainConfig,
    load_config,
)
from tear_training.upkeep import Checkpoints, Evaluation

PAGE = read("training.md")
TABLES: dict[str, type[BaseModel]] = {
    "Key": TrainConfig,
    "Key of a source": Source,
    "Key of `lora`": LoraSettings,
    "Key of `batching`": Batching,
    "Key of `rehearsal`": Rehearsal,
    "Key of `checkpoints`": Checkpoints,
    "Key of `evaluation`": Evaluation,
    "Key of `response_weights`": ResponseWeights,
    "Key of a pass": Pass,
}
BY_TABLE = pytest.mark.parametrize(("head", "model"), TABLES.items(), ids=TABLES)
NANO = Path(__file__).parent.parent.parent / "training" / "configs" / "nano.yaml"


@BY_TABLE
def test_every_key_is_told_and_no_other(head: str, model: type[BaseModel]) -> None:
    assert PAGE.named(head) == [field.alias or name for name, field in model.model_fields.items()]


@BY_TABLE
def test_defaults_on_the_page_are_those_of_the_code(head: str, model: type[BaseModel]) -> None:
    told = PAGE.told(head)
    for name, field in model.model_fields.items():
        assert (name, told[field.alias or name][1]) == (name, shown(field.default))


def test_the_passes_on_the_page_are_nanos() -> None:
    passes = load_config(NANO).passes
    assert [row[0] for row in PAGE.rows("Pass")] == [each.name for each in passes]
    for row, each in zip(PAGE.rows("Pass"), passes, strict=True):
        assert row[3].startswith(f"{each.learning_rate:g}")
        assert row[4].startswith(f"{each.lambda_.start:g}")
        assert row[4].endswith(f"{each.lambda_.end:g}")


def test_the_memory_that_is_counted_is_that_of_the_true_shape() -> None:
    width, heads, kv_heads = TEXT["hidden_size"], TEXT["num_attention_heads"], TEXT["num_key_value_heads"]
    wide, narrow = heads * TEXT["head_dim"], kv_heads * TEXT["head_dim"]
    projections = 2 * width * wide + 2 * width * narrow + 3 * width * TEXT["intermediate_size"]
    layers, embeddings = TEXT["num_hidden_layers"], TEXT["vocab_size"] * width
    whole = embeddings + layers * (projections + 2 * width) + width
    lora = layers * LoraSettings().rank * (2 * (width + wide) + 2 * (width + narrow))
    counted = PAGE.section("24 GB, counted").text
    for figure in (whole, lora, layers * projections, projections + 2 * width):
        assert f"{figure:,}" in counted


def shown(default: object) -> str:
    """A default as the page writes it; what is itself a table has an empty cell."""
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "–"
    if default == tuple(Field):
        return "all four"
    if isinstance(default, BaseModel):
        return ""
    if isinstance(default, tuple):
        return f"`{yaml.safe_dump(list(default), default_flow_style=True).strip()}`"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"
