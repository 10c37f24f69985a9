"""A run in another order, from its configuration to the server's refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tear_chain.errors import DataError, UnservedOrder
from tear_chain.format import Order
from tear_chain.manifest import check_fit, load_manifest
from tear_chain.prepared import load_prepared
from tear_training.config import TrainConfig, load_config
from tear_training.train import train

CONFIG = TrainConfig.model_validate(
    {
        "name": "half",
        "train": [{"world": {"seed": 1, "split": "train", "rows": 8}}],
        "validation": [{"world": {"seed": 1, "split": "validation", "rows": 2}}],
        "order": "witness",
        "normalize": "example",
        "batching": {"rows_per_step": 4, "pack_tokens": 1024},
        "passes": [
            {
                "name": "only",
                "mix": {"opening": 1, "neutral": 1, "closing": 1},
                "learning_rate": 1e-3,
                "lambda": 0.5,
                "curriculum": True,
            }
        ],
    }
)


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("half") / "adapter"
    train(CONFIG, tiny_base, out, folder=out.parent)
    return out


def test_the_manifest_says_the_order_and_the_server_refuses_it(trained: Path, tiny_base: Path) -> None:
    manifest = load_manifest(trained)
    assert manifest.order == Order.WITNESS
    with pytest.raises(UnservedOrder, match="learned the order witness"):
        check_fit(manifest, load_prepared(tiny_base))


def test_the_witness_alone_learns_no_response(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "steps.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert line["response"] == 0
        assert line["loss"] == pytest.approx(0.5 * line["consequence"])


def test_what_was_chosen_is_saved_beside_it(trained: Path) -> None:
    assert load_config(trained / "training.yaml") == CONFIG


def test_a_row_too_long_for_a_pack_stops_the_run(tiny_base: Path, tmp_path: Path) -> None:
    small = CONFIG.model_copy(update={"batching": CONFIG.batching.model_copy(update={"pack_tokens": 16})})
    with pytest.raises(DataError, match=r"Row world-1-train-\d+ takes \d+ tokens"):
        train(small, tiny_base, tmp_path / "out", folder=tmp_path)


@pytest.mark.parametrize(
    ("order", "mix", "lambda_"),
    [("respond", {"closing": 1}, 0.5), ("witness", {"opening": 1}, 0)],
    ids=["only-wounds-to-say", "only-scenes-at-lambda-zero"],
)
def test_a_pass_that_teaches_nothing_stops_the_run(
    order: str, mix: dict[str, float], lambda_: float, tiny_base: Path, tmp_path: Path
) -> None:
    changed = {"mix": mix, "lambda": lambda_, "decisions": False, "name": "idle", "learning_rate": 1e-3}
    values = CONFIG.model_dump(by_alias=True, exclude_none=True) | {"order": order, "passes": [changed]}
    with pytest.raises(DataError, match=f"Pass idle teaches nothing: with order {order}"):
        train(TrainConfig.model_validate(values), tiny_base, tmp_path / "out", folder=tmp_path)
