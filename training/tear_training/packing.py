"""How the rows of an optimizer step are laid into micro-batches, so that every step has the same number of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tear_chain.errors import DataError
from tear_training.config import Batching
from tear_training.examples import Example


@dataclass(frozen=True, slots=True)
class MicroBatches:
    """The micro-batches of a pass in their order; `per_step` of them, over all ranks, make an optimizer step."""

    batches: tuple[tuple[Example, ...], ...]
    per_step: int


def micro_batches(
    examples: Sequence[Example], batching: Batching, *, texts: Sequence[Example] = (), ranks: int = 1
) -> MicroBatches:
    """Divide examples, which come in whole steps, into micro-batches: so many rows each, or so many tokens.

    `texts` join them, as many to each step. They make no micro-batches of their own, so ranks share a step as before.

    `DataError` names a row longer than `pack_tokens`, or says that `ranks` cannot share a step evenly.
    """
    size = batching.rows_per_step
    steps = [examples[start : start + size] for start in range(0, len(examples), size)]
    more = len(texts) // len(steps)
    joining = [texts[start : start + more] for start in range(0, len(texts), more or 1)] or [()] * len(steps)
    if batching.pack_tokens is not None:
        together = [(*step, *beside) for step, beside in zip(steps, joining, strict=True)]
        return _packed(together, batching.pack_tokens, ranks=ranks)
    rows = batching.micro_rows
    if size % (rows * ranks):
        raise DataError(f"rows_per_step {size} is no multiple of micro_rows {rows} on {ranks} ranks.")
    count = size // rows
    # Rows of a step lie by length: a text, which is as long or longer, costs the least filling beside the last of them.
    chunks = (
        (*step[place * rows : (place + 1) * rows], *beside[count - 1 - place :: count])
        for step, beside in zip(steps, joining, strict=True)
        for place in range(count)
    )
    return MicroBatches(tuple(chunks), count)


def _packed(steps: Sequence[Sequence[Example]], budget: int, *, ranks: int) -> MicroBatches:
    for example in (example for step in steps for example in step):
        if _length(example) > budget:
            raise DataError(
                f"Row {example.row_id} takes {_length(example)} tokens; batching.pack_tokens is {budget}. "
                f"Raise it at least to that."
            )
    fewest = max(math.ceil(sum(map(_length, step)) / budget) for step in steps)
    # Trainer wants the same number of micro-batches in every step, so all steps are laid into as many as the fullest
    # needs. That costs no filling: a lighter step's packs are only shorter.
    for count in range(math.ceil(fewest / ranks) * ranks, len(steps[0]) + 1, ranks):
        packs = [pack for step in steps for pack in _spread(step, count)]
        if max(sum(map(_length, pack)) for pack in packs) <= budget:
            return MicroBatches(tuple(packs), count)
    raise DataError(
        f"A step of {len(steps[0])} rows and texts cannot be packed for {ranks} ranks. Take more rows or fewer ranks."
    )


def _spread(step: Sequence[Example], count: int) -> list[tuple[Example, ...]]:
    """`count` packs of about the same length: the longest example first, each into the pack that is shortest."""
    packs: list[list[Example]] = [[] for _ in range(count)]
    filled = [0] * count
    for example in sorted(step, key=_length, reverse=True):
        shortest = filled.index(min(filled))
        packs[shortest].append(example)
        filled[shortest] += _length(example)
    return [tuple(pack) for pack in packs]


def _length(example: Example) -> int:
    """The positions it takes: its last token is only a target."""
    return len(example.tokens) - 1
