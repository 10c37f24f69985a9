"""What a pass learns: the rows it takes, as examples, in the order of learning."""

from __future__ import annotations

from collections.abc import Sequence

from tear_chain.tokenizer import ChainTokenizer
from tear_training.arrange import choose_rows
from tear_training.config import Pass, TrainConfig
from tear_training.examples import Example, encode_row
from tear_training.rows import Row


def lesson(
    pass_: Pass, config: TrainConfig, rows: Sequence[Row], tokenizer: ChainTokenizer, *, context: int
) -> list[Example]:
    """The examples of a pass, in whole steps; a row that is taken twice is there twice."""
    order = choose_rows(rows, pass_, batching=config.batching, seed=config.seed)
    encoded = {
        place: encode_row(
            rows[place],
            tokenizer,
            context=context,
            fields=pass_.fields,
            with_decision=pass_.decisions,
            allow_harmful_targets=config.allow_harmful_targets,
        )
        for place in sorted(set(order))
    }
    return [encoded[place] for place in order]
