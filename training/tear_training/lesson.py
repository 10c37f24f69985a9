"""What a pass learns: the rows it takes, as examples, in the order of learning."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch

from tear_chain.errors import DataError
from tear_chain.tokenizer import ChainTokenizer
from tear_training.arrange import choose_rows
from tear_training.config import Pass, TrainConfig
from tear_training.consequences import sham_rows
from tear_training.dual_trainer import objective_of
from tear_training.examples import Example, encode_row
from tear_training.rows import Row


def lesson(
    pass_: Pass, config: TrainConfig, rows: Sequence[Row], tokenizer: ChainTokenizer, *, context: int
) -> list[Example]:
    """The examples of a pass, in whole steps; a row that is taken twice is there twice.

    Raises `DataError` where none of them has anything to learn, as answers that wound have not in order `respond`.
    """
    # Drawn from the rows as they are, so that a control takes the same rows in the same order.
    order = choose_rows(rows, pass_, batching=config.batching, seed=config.seed)
    told = sham_rows(rows, seed=config.seed) if config.consequences == "sham" else rows
    taken = sorted(set(order))
    rng = Random(f"{config.seed}/{pass_.name}/drafts")  # noqa: S311 - not for secrets
    answered = set(rng.sample(taken, round(len(taken) * pass_.drafts)))
    encoded = {
        place: encode_row(
            told[place],
            tokenizer,
            context=context,
            fields=pass_.fields,
            with_decision=pass_.decisions,
            with_draft=place in answered,
            allow_harmful_targets=config.allow_harmful_targets,
            order=config.order,
            with_scene=config.consequences != "none",
        )
        for place in taken
    }
    learned = objective_of(config).learned(max(pass_.lambda_.start, pass_.lambda_.end), torch.zeros(()))
    if not any(learned[kind] for example in encoded.values() for kind in set(example.kinds)):
        raise DataError(
            f"Pass {pass_.name} teaches nothing: with order {config.order} none of its rows has anything to learn. "
            "See to its mix, its lambda and response_weights."
        )
    return [encoded[place] for place in order]
