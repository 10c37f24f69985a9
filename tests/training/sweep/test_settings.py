"""Laws of a sweep's settings: validated whole, and the shipped one says what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_training.config import load_config, load_settings
from tear_training.sweep.grid import cells
from tear_training.sweep.settings import SweepConfig

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
SHIPPED = sorted(CONFIGS.glob("*-sweep.yaml"))
SMALL = """
recipe: tiny.yaml
lambda: [0, 1]
seeds: [1]
evaluation: {table: woven}
"""


def load(folder: Path, text: str) -> SweepConfig:
    path = folder / "sweep.yaml"
    path.write_text(text)
    return load_settings(path, SweepConfig)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_sweeps_load_with_their_recipe_and_open_with_their_command(path: Path) -> None:
    sweep = load_settings(path, SweepConfig)
    load_config(path.parent / sweep.recipe, overrides=sweep.set)
    assert path.read_text().startswith(f"# tear sweep training/configs/{path.name} ")


def test_the_sweep_of_the_issue_has_its_grid() -> None:
    sweep = load_settings(CONFIGS / "lambda-sweep.yaml", SweepConfig)
    assert sweep.lambda_ == (0, 0.1, 0.3, 0.5, 1, 2)
    assert sweep.controls == ("sham", "none", "base")
    assert len(sweep.seeds) >= 5
    assert len(cells(sweep, load_config(CONFIGS / sweep.recipe))) == (6 + 2) * len(sweep.seeds) + 1


def test_unknown_keys_are_named_and_all_errors_come_together(tmp_path: Path) -> None:
    text = SMALL.replace("seeds: [1]", "seeds: []\nseed: 1\ncontrols: [placebo]").replace("woven", "woven, rows: 3")
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    for part in ("sweep.yaml", "seed: unknown key", "evaluation.rows: unknown key", "seeds:", "controls.0:"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lambda: [0, 1]", "lambda: [1, 1.0]"),
        ("seeds: [1]", "seeds: [1, 1]"),
        ("seeds: [1]", "seeds: [1]\ncontrols: [sham, sham]"),
    ],
    ids=["lambda", "seeds", "controls"],
)
def test_what_is_named_twice_is_refused(before: str, after: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names something twice"):
        load(tmp_path, SMALL.replace(before, after))


@pytest.mark.parametrize("value", ["-1", ".inf", ".nan"])
def test_a_lambda_is_a_finite_number_from_zero_on(value: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lambda\.1"):
        load(tmp_path, SMALL.replace("[0, 1]", f"[0, {value}]"))
