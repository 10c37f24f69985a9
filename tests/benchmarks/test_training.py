from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
import torch
from trainers.results import check_alike, speed_results
from trainers.shape import flops
from trainers.weights import part_weights
from trainers.work import Turn, curated, settings, tokens_of

from tear_chain.tokens import ChainTokens
from tear_chain.words import Decision
from tear_training.arrange import choose_rows
from tear_training.examples import Example
from tear_training.rows import Row

CHAIN = ChainTokens(
    draft=1, witness=2, fields={}, weights={}, decisions={Decision.KEEP: 3, Decision.REVISE: 4}, end=5
)  # fmt: skip


def turn(seconds: float, *, trained: int = 100, tokens: int = 200) -> Turn:
    return Turn(seconds, trained, tokens, 2**20)


@pytest.fixture(scope="module")
def rows() -> Sequence[Row]:
    return curated()


@pytest.mark.parametrize("module", ["contestants", "memory", "ours"])
def test_what_only_a_process_of_a_contestant_loads_finds_all_that_it_names(module: str) -> None:
    import_module(f"trainers.{module}")


@pytest.mark.parametrize("steps", [1, 3, 4], ids=str)
def test_the_configuration_comes_to_just_so_many_steps(steps: int, rows: Sequence[Row]) -> None:
    config = settings(Path("validation.jsonl"), steps=steps, size=4, rows=len(rows))
    order = choose_rows(rows, config.passes[0], batching=config.batching, seed=config.seed)
    assert len(order) == steps * config.batching.rows_per_step


def test_the_first_token_of_a_row_is_never_trained() -> None:
    assert tokens_of([Example("a", (7, 8, 9), (1, 0, 2)), Example("b", (7, 8), (0, 1))]) == (2, 3)


def test_lambda_weighs_what_lies_between_witness_and_decision() -> None:
    labels = torch.tensor([[-100, 9, 2, 8, 8, 4, 9, 5], [-100, 2, 8, 3, 5, -100, -100, -100]])
    expected = torch.tensor([[1, 1, 0.5, 0.5, 0.5, 1, 1, 1], [1, 0.5, 0.5, 1, 1, 1, 1, 1]])
    assert torch.equal(part_weights(labels, CHAIN, lambda_=0.5), expected)


def test_a_token_of_the_true_shape_takes_four_operations_per_frozen_weight() -> None:
    layers, head = 26 * 116_391_936, 131_072 * 3072
    assert flops("3b", tokens=10, trained=4) == 4 * (10 * layers + 4 * head)


def test_a_ratio_to_trl_is_the_median_of_the_rounds() -> None:
    turns = {"The Tear": [turn(1), turn(20), turn(2)], "TRL, fast path": [turn(3), turn(40), turn(6)]}
    results = speed_results(turns, shape="tiny", bars={"TRL, fast path": ">= 3.5"}, peak_tflops=None)  # type: ignore[arg-type]
    (ratio,) = (result for result in results if "/ TRL" in result.name)
    assert ratio.value == 3
    assert ratio.ok is False


def test_contestants_who_learn_different_tokens_are_not_compared() -> None:
    with pytest.raises(RuntimeError, match="same tokens"):
        check_alike({"The Tear": [turn(1)], "TRL, fast path": [turn(1, trained=99)]})
