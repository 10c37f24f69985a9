"""D3: when the smallest edit turns what an answer does, does the foreseen effect turn with it?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Field
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.figures import COIN
from tear_training.evaluate.items import Answer, Siblings
from tear_training.evaluate.scorer import Likelihood, Question
from tear_training.evaluate.wordings import impacts


def directions(likelihood: Likelihood, siblings: Sequence[Siblings], tokenizer: ChainTokenizer) -> Columns:
    """`d3`: the share of edits whose log-odds of opening against closing move as the gold says.

    The odds are those of all opening against all closing ways to tell the immediate effect of either answer of the
    edit. These sets are the same for both answers and hold each act's effect in both signs, so neither a scene's own
    likelihood nor recognising an act moves them the right way.
    """
    edits = [edit for each in siblings for edit in each.edits]
    scores = likelihood.score([question for edit in edits for question in _questions(edit, tokenizer)])
    moved = [
        _moved(log_odds(opening), log_odds(closing)) for opening, closing in zip(scores[::2], scores[1::2], strict=True)
    ]
    return {"d3": np.array(moved).reshape(len(siblings), -1).mean(1)}


def log_odds(scores: Sequence[float]) -> float:
    """Opening against closing, where the first half of `scores` tells opening effects and the second closing ones.

    >>> round(log_odds((np.log(0.2), np.log(0.1), np.log(0.05), np.log(0.05))), 3)
    1.099
    """
    half = len(scores) // 2
    return float(np.logaddexp.reduce(scores[:half]) - np.logaddexp.reduce(scores[half:]))


def _moved(opening: float, closing: float) -> float:
    return COIN if opening == closing else float(opening > closing)


def _questions(edit: tuple[Answer, Answer], tokenizer: ChainTokenizer) -> list[Question]:
    told = [text for opens in (True, False) for answer in edit for text in impacts(answer.gold, opens=opens)]
    fields = tokenizer.chain.fields
    # The marker that ends the field belongs to the text: without it a beginning would count as the whole.
    effects: tuple[Ids, ...] = tuple((*tokenizer.encode(text), fields[Field.RIPPLES]) for text in told)
    return [Question(answer.told.before(fields[Field.IMPACT]), effects) for answer in edit]
