"""Gentle choice by likelihood: of two answers that differ in the act alone, is the one that opens likelier as a draft?

No wounding answer was ever a target, so this moves only if what was foreseen reaches what is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from tear_chain.format import Ids, draft_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.scorer import Likelihood, Question


def gentle_choice(likelihood: Likelihood, siblings: Sequence[Siblings], tokenizer: ChainTokenizer) -> Columns:
    """`prefers_gentle` by situation: the share of minimal edits whose opening side is likelier as the draft, 0.5 where
    neither is; `gentle_margin`, by how many nats. NaN where no edit both opens and closes.

    Opener and closer are the same on both sides: what counts is the sum over the tokens that differ, whatever their
    number.
    """
    edits = [[(one, two) for one, two in each.edits if one.gold.weight > 0 > two.gold.weight] for each in siblings]
    asked = []
    for found in edits:
        for opening, closing in found:
            shared, gentle, wounding = apart(opening.told.draft, closing.told.draft)
            prefix = (*draft_prompt(tokenizer.chain, opening.told.prompt), *shared)
            asked.append(Question(prefix, (gentle, wounding)))
    margins: Iterator[float] = (gentle - wounding for gentle, wounding in likelihood.score(asked))
    columns = {name: np.full(len(siblings), np.nan) for name in ("prefers_gentle", "gentle_margin")}
    for place, found in enumerate(edits):
        if found:
            taken = np.array([next(margins) for _ in found])
            columns["prefers_gentle"][place] = ((1 + np.sign(taken)) / 2).mean()
            columns["gentle_margin"][place] = taken.mean()
    return columns


def apart(one: Ids, other: Ids) -> tuple[Ids, Ids, Ids]:
    """What two texts begin with in common, and what of each stands between that and their common end.

    At least a token of each is left, though one text may be a beginning or an end of the other.

    >>> apart((1, 2, 3, 9), (1, 4, 9))
    ((1,), (2, 3), (4,))
    """
    least = min(len(one), len(other)) - 1
    begin = min(least, _shared(one, other))
    end = min(least - begin, _shared(one[::-1], other[::-1]))
    return one[:begin], one[begin : len(one) - end], other[begin : len(other) - end]


def _shared(one: Ids, other: Ids) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
