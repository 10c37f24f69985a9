"""Laws of the grid: what cells differ in, what they share, and in which order they are worked on."""

from __future__ import annotations

from training.runs import config
from training.sweep.conftest import sweep

from tear_training.sweep.grid import cells


def test_the_base_comes_first_and_then_seed_by_seed() -> None:
    assert [each.name for each in cells(sweep(controls=["sham", "base"]), config())] == [
        "base",
        "lambda-0-seed-1",
        "lambda-1-seed-1",
        "sham-seed-1",
        "lambda-0-seed-2",
        "lambda-1-seed-2",
        "sham-seed-2",
    ]


def test_lambda_multiplies_that_of_every_pass() -> None:
    [cell] = cells(sweep(**{"lambda": [0.5]}, controls=[], seeds=[1]), config())
    assert cell.name == "lambda-0.5-seed-1"
    assert cell.config is not None
    assert [(each.lambda_.start, each.lambda_.end) for each in cell.config.passes] == [(0.15, 0.15), (0.15, 0.5)]


def test_controls_have_their_own_lambda_and_their_consequences() -> None:
    found = cells(sweep(**{"lambda": [0]}, controls=["sham", "none"], controls_lambda=2, seeds=[1]), config())
    told = {each.condition: each.config for each in found}
    for name in ("sham", "none"):
        made = told[name]
        assert made is not None
        assert made.consequences == name
        assert made.passes[1].lambda_.end == 2


def test_cells_differ_in_name_seed_lambda_and_consequences_alone() -> None:
    for each in cells(sweep(controls=["sham", "none"]), config()):
        assert each.config is not None
        plain = config().model_copy(
            update={key: getattr(each.config, key) for key in ("name", "seed", "consequences", "passes")}
        )
        assert each.config == plain
        for pass_, recipe in zip(each.config.passes, config().passes, strict=True):
            assert pass_.model_copy(update={"lambda_": recipe.lambda_}) == recipe


def test_adapters_of_cells_have_names_of_their_own() -> None:
    names = [each.config.name for each in cells(sweep(), config()) if each.config is not None]
    assert len(set(names)) == len(names)
    assert names[0] == "tiny-lambda-0-seed-1"
