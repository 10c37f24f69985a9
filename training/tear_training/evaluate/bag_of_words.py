"""The bag of words that D2 must beat: which words go with strong effects, shown on the train split."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]
from sklearn.naive_bayes import MultinomialNB  # type: ignore[import-untyped]

from tear_training.evaluate.items import Answer
from tear_training.rows import Row
from tear_training.world import World

_ROWS = 3000
_WORDS = r"[\w']+|[?!]"


class StrengthWords:
    """Naive Bayes over the words of situation and answer: does the answer land strongly or weakly? One per valence."""

    def __init__(self, world: World, *, rows: int = _ROWS) -> None:
        effects = world.table.effects
        cases = [(row, effects[gold.need][gold.act]) for row, gold in world.cases(split="train", count=rows)]
        self._models = {
            sign: _Model([(row, abs(effect) > 1) for row, effect in cases if effect * sign > 0]) for sign in (-1, 1)
        }

    def told_apart(self, one: Answer, two: Answer) -> float:
        """Whether the stronger of two answers of one valence has the stronger words: 1 yes, 0 no, 0.5 a tie."""
        model = self._models[one.gold.valence]
        first, second = model.log_odds(one.told.row), model.log_odds(two.told.row)
        # What the same words add up to in another order may differ in the last digits.
        if math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-9):
            return 0.5
        return float((first > second) == (abs(one.gold.weight) > abs(two.gold.weight)))


class _Model:
    def __init__(self, rows: Sequence[tuple[Row, bool]]) -> None:
        self._words = CountVectorizer(binary=True, token_pattern=_WORDS)
        self._model = MultinomialNB()
        self._model.fit(self._words.fit_transform([_said(row) for row, _ in rows]), [strong for _, strong in rows])

    def log_odds(self, row: Row) -> float:
        weakly, strongly = self._model.predict_log_proba(self._words.transform([_said(row)]))[0]
        return float(strongly - weakly)


def _said(row: Row) -> str:
    return f"{row.input} {row.response}"
