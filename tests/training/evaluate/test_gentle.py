"""Gentle choice by likelihood, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from seers import Talker

from tear_chain.format import Ids, draft_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.gentle import apart, gentle_choice
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.scorer import Question


class Counting:
    """Every token costs a nat, and those of wounding answers three; keeps what it was asked."""

    def __init__(self, wounding: set[Ids]) -> None:
        self.asked: list[Question] = []
        self._wounding = wounding

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        self.asked += questions
        return [
            tuple(-len(text) * (3.0 if text in self._wounding else 1.0) for text in q.continuations) for q in questions
        ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 2, 3, 9), (1, 4, 9), ((1,), (2, 3), (4,))),
        ((1, 2), (1, 2, 3), ((1,), (2,), (2, 3))),
        ((2, 3), (1, 2, 3), ((), (2,), (1, 2))),
        ((5,), (5,), ((), (5,), (5,))),
    ],
    ids=["within", "a-beginning", "an-end", "the-same"],
)
def test_what_differs_stands_between_what_is_shared(one: Ids, other: Ids, expected: tuple[Ids, Ids, Ids]) -> None:
    assert apart(one, other) == expected


def test_the_likelier_side_is_told_by_the_sum_over_what_differs(
    siblings: list[Siblings], words_of: ChainTokenizer
) -> None:
    each = next(s for s in siblings if all(a.gold.weight > 0 > b.gold.weight for a, b in s.edits))
    sides = [apart(opening.told.draft, closing.told.draft) for opening, closing in each.edits]
    counting = Counting({wounding for _, _, wounding in sides})
    found = gentle_choice(counting, [each], words_of)
    margins = [3 * len(wounding) - len(gentle) for _, gentle, wounding in sides]
    assert found["gentle_margin"][0] == pytest.approx(np.mean(margins))
    assert found["prefers_gentle"][0] == np.mean([margin > 0 for margin in margins])
    for asked, (opening, _), (shared, _, _) in zip(counting.asked, each.edits, sides, strict=True):
        assert asked.prefix == (*draft_prompt(words_of.chain, opening.told.prompt), *shared)


def test_an_edit_that_leaves_no_trace_on_one_side_is_not_asked(
    siblings: list[Siblings], words_of: ChainTokenizer
) -> None:
    one, two = siblings[0].opening
    flat = replace(siblings[0], opening=tuple(replace(a, gold=replace(a.gold, weight=0)) for a in (one, two)))
    found = gentle_choice(Talker(), [flat], words_of)
    assert np.isnan(found["prefers_gentle"]).all()
    assert np.isnan(found["gentle_margin"]).all()
