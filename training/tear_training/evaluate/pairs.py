"""D1 and D2: can it tell which scene belongs to which answer?

For two answers and their two scenes: right if s(c1|r1) + s(c2|r2) > s(c2|r1) + s(c1|r2). How likely either scene is by
itself stands on both sides, so sadness, fluency and length cancel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bag_of_words import StrengthWords
from tear_training.evaluate.bootstrap import Array, Columns
from tear_training.evaluate.figures import COIN
from tear_training.evaluate.items import Answer, Siblings, elsewhere, ripples_after, shifted
from tear_training.evaluate.runs import first_halves
from tear_training.evaluate.scorer import Likelihood, Question
from tear_training.evaluate.writer import Writer

_BESIDE = ((0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1))
"""Which scenes are asked after each of four answers: its own, and those of the two that it is paired with."""


def matched(first: Sequence[float], second: Sequence[float]) -> float:
    """Whether two answers are told apart by their scenes: 1 yes, 0 no, 0.5 where the scores do not say.

    `first` holds the scores of both scenes after the first answer, `second` those after the second.

    >>> matched((-3.0, -5.0), (-4.0, -4.5))
    1.0
    """
    own, crossed = first[0] + second[1], first[1] + second[0]
    return COIN if own == crossed else float(own > crossed)


def whole_scenes(likelihood: Likelihood, siblings: Sequence[Siblings]) -> Columns:
    """D1 on whole scenes: `d1_same` for the pairs of one valence, `d1_opposite` for the others, a diagnosis only."""
    asked = [
        Question(each.all[place].told.asked, tuple(each.all[other].told.scene for other in others))
        for each in siblings
        for place, others in enumerate(_BESIDE)
    ]
    scores = iter(likelihood.score(asked))
    same, opposite = [], []
    for _ in siblings:
        by_answer = [dict(zip(others, next(scores), strict=True)) for others in _BESIDE]

        def told_apart(one: int, two: int, table: Sequence[Mapping[int, float]] = by_answer) -> float:
            return matched([table[one][one], table[one][two]], [table[two][one], table[two][two]])

        same.append((told_apart(0, 1) + told_apart(2, 3)) / 2)
        opposite.append((told_apart(0, 2) + told_apart(1, 3)) / 2)
    return {"d1_same": np.array(same), "d1_opposite": np.array(opposite)}


def hard_pairs(
    likelihood: Likelihood,
    writer: Writer,
    siblings: Sequence[Siblings],
    tokenizer: ChainTokenizer,
    *,
    words: StrengthWords,
) -> Columns:
    """D2's columns: two answers of one valence, one landing strongly and one weakly.

    What must be told is which later course belongs to which, after what the model itself says of the immediate effect:
    a gold scene's first half may name the act or what the person needs, and could be matched to the answer without a
    look at the situation. `d2_answer_only` asks the same with the situation of another before the answers, first half
    and all; `d2_bag_of_words` asks a naive Bayes that was shown which words land strongly.
    """
    pairs = [[pair for pair in each.same if is_hard(pair)] for each in siblings]
    others = shifted(siblings)
    own = [answer.told for found in pairs for pair in found for answer in pair]
    alone = [
        elsewhere(answer, other.opening[0], tokenizer)
        for found, other in zip(pairs, others, strict=True)
        for pair in found
        for answer in pair
    ]
    told = own + alone
    halves = first_halves(writer, [each.asked for each in told], tokenizer)
    asked = [
        question
        for place in range(0, len(told), 2)
        for question in ripples_after(told[place : place + 2], halves[place : place + 2], tokenizer)
    ]
    scores = likelihood.score(asked)
    outcomes = [matched(*scores[place : place + 2]) for place in range(0, len(scores), 2)]
    count = len(own) // 2
    by_words = [words.told_apart(*pair) for found in pairs for pair in found]
    return {
        "d2": _by_situation(outcomes[:count], pairs),
        "d2_answer_only": _by_situation(outcomes[count:], pairs),
        "d2_bag_of_words": _by_situation(by_words, pairs),
    }


def is_hard(pair: tuple[Answer, Answer]) -> bool:
    """Whether two answers of one valence differ in strength and both left a trace: only then ripples are comparable."""
    weights = {abs(answer.gold.weight) for answer in pair}
    return len(weights) == 2 and 0 not in weights


def _by_situation(outcomes: Sequence[float], pairs: Sequence[Sequence[object]]) -> Array:
    values = iter(outcomes)
    taken = [[next(values) for _ in found] for found in pairs]
    return np.array([np.mean(found) if found else np.nan for found in taken])
