"""Rows as a Hugging Face `datasets.Dataset`, and back: every column typed, nothing of a row left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from datasets import Dataset, Features, List, Value  # type: ignore[import-untyped]

from tear_training.rows import Row

_TEXT = Value("string")
_NAMES = ("id", "situation_id", "input", "response", "revised", "component", "difficulty", "culture", "language")

FEATURES = Features(
    dict.fromkeys(_NAMES, _TEXT)
    | {
        "messages": List({"role": _TEXT, "content": _TEXT}),
        "consequence": {"impact": _TEXT, "who": _TEXT, "ripples": _TEXT, "weight": Value("int8")},
        "source": _TEXT,
        "license": _TEXT,
        "provenance": {
            "kind": _TEXT,
            "generator": _TEXT,
            "prompt_digest": _TEXT,
            "seed": Value("int64"),
            "human_reviewed": Value("bool"),
            "review": {"verdict": _TEXT, "date": _TEXT},
        },
        "traits": List(_TEXT),
        "outcome": {
            "feedback": Value("int8"),
            "intensity_before": Value("float64"),
            "intensity_after": Value("float64"),
        },
    }
)
"""The columns, which are those of `Row`; what a row does not say is null."""


def to_dataset(rows: Iterable[Row]) -> Dataset:
    """Rows as a data set, in their order."""
    said = [row.model_dump(mode="json") for row in rows]
    return Dataset.from_dict({name: [row[name] for row in said] for name in FEATURES}, features=FEATURES)


def from_dataset(dataset: Iterable[dict[str, Any]]) -> list[Row]:
    """The rows of a data set that has these columns, such as one that `to_dataset` made; it may be streamed."""
    return [Row.model_validate_json(json.dumps(_said(item))) for item in dataset]


def _said(value: Any) -> Any:
    """What was said, without the nulls in its place: a record of nothing but nulls was absent."""
    if isinstance(value, dict):
        said = {name: _said(each) for name, each in value.items()}
        return {name: each for name, each in said.items() if each is not None} or None
    if isinstance(value, list):
        return [_said(each) for each in value] or None
    return value
