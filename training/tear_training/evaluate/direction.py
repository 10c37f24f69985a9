"""D3: when the smallest edit turns what an answer does, does the foreseen effect turn with it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Field
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.figures import COIN
from tear_training.evaluate.items import Answer, Siblings
from tear_training.evaluate.runs import first_halves
from tear_training.evaluate.scorer import Likelihood, Question
from tear_training.evaluate.wordings import impacts
from tear_training.evaluate.writer import Writer
from tear_training.world_table import Table


def directions(
    likelihood: Likelihood, writer: Writer, siblings: Sequence[Siblings], tokenizer: ChainTokenizer, *, table: Table
) -> Columns:
    """`d3`: the share of edits whose log-odds of opening against closing move as the gold says.

    The odds are those of all opening against all closing ways to tell the immediate effect of either answer of the
    edit. These sets are the same for both answers and hold each act's effect in both signs, so neither a scene's own
    likelihood nor recognising an act moves them the right way. Whom it reached the model says itself: the gold may
    tell there what the person needs.
    """
    asked = effects_after(writer, [edit for each in siblings for edit in each.edits], tokenizer, table=table)
    scores = iter(likelihood.score([question for each in asked for question in each.questions]))
    moved = []
    for each in asked:
        opening, closing = (each.odds(next(scores)) for _ in each.questions)
        moved.append(COIN if opening == closing else float(opening > closing))
    return {"d3": np.array(moved).reshape(len(siblings), -1).mean(1)}


class Effects(NamedTuple):
    """The same ways to tell an effect, opening ones first, asked after either answer of an edit."""

    questions: list[Question]
    opening: int
    """How many of them open."""

    def odds(self, scores: Sequence[float]) -> float:
        """Those of opening against closing, from the scores of one of the questions."""
        return log_odds(scores[: self.opening], scores[self.opening :])


def effects_after(
    writer: Writer, edits: Sequence[tuple[Answer, Answer]], tokenizer: ChainTokenizer, *, table: Table
) -> list[Effects]:
    """What is asked of each edit, after what the model itself says of whom either answer reached."""
    impact = tokenizer.chain.fields[Field.IMPACT]
    halves = iter(first_halves(writer, [answer.told.asked for edit in edits for answer in edit], tokenizer))
    return [
        _effects(edit, [answer.told.asked + _through(next(halves), impact) for answer in edit], tokenizer, table=table)
        for edit in edits
    ]


def log_odds(opening: Sequence[float], closing: Sequence[float]) -> float:
    """The odds of all opening against all closing ways to tell an effect, from the log-likelihood of each.

    >>> round(log_odds(np.log([0.2, 0.1]), np.log([0.05, 0.05])), 3)
    1.099
    """
    return float(np.logaddexp.reduce(opening) - np.logaddexp.reduce(closing))


def _effects(edit: tuple[Answer, Answer], before: Sequence[Ids], tokenizer: ChainTokenizer, *, table: Table) -> Effects:
    opening, closing = (
        list(dict.fromkeys(text for answer in edit for text in impacts(answer.gold, opens=opens, table=table)))
        for opens in (True, False)
    )
    # The marker that ends the field belongs to the text: without it a beginning would count as the whole.
    ripples = tokenizer.chain.fields[Field.RIPPLES]
    told: tuple[Ids, ...] = tuple((*tokenizer.encode(text), ripples) for text in (*opening, *closing))
    return Effects([Question(prefix, told) for prefix in before], len(opening))


def _through(half: Ids, marker: int) -> Ids:
    return half[: half.index(marker) + 1]
