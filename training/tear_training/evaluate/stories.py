"""Moral Stories' consequence tasks: is a consequence told to belong to the action that it followed?

Each story has one situation, two actions and their consequences. In the PMI form: right if
s(c1|a1) + s(c2|a2) > s(c2|a1) + s(c1|a2), so how likely a consequence is by itself cancels out. The two actions are of
opposite valence, which a bag of words tells: beside the score it is a diagnosis, never a part of it. The user brings
`moral_stories_full.jsonl`, MIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Field
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.items import Told, tell
from tear_training.evaluate.pairs import matched
from tear_training.evaluate.report import Measure
from tear_training.evaluate.scorer import Likelihood, Question
from tear_training.rows import Row

_SIDES = ("-harmful", "-gentle")


def consequences_told(likelihood: Likelihood, rows: Sequence[Row], tokenizer: ChainTokenizer) -> Columns:
    """Columns over stories: `story_told`, whether both consequences are matched to their actions, and `story_gain`, by
    how many nats a token an action makes its own consequence likelier than the other action does.

    `rows` are those of the importer; a story of which one side is missing is left out.
    """
    marker = tokenizer.chain.fields[Field.IMPACT]
    stories = [(tell(one, tokenizer), tell(other, tokenizer)) for one, other in _stories(rows)]
    effects = [tuple(_effect(told, tokenizer) for told in story) for story in stories]
    asked = [
        # Without `who`: nobody told it, so the marker of the impact follows that of the witness.
        Question((*told.asked, marker), both)
        for story, both in zip(stories, effects, strict=True)
        for told in story
    ]
    scores = likelihood.score(asked)
    pairs = list(zip(scores[::2], scores[1::2], strict=True))
    lengths = [sum(map(len, both)) for both in effects]
    return {
        "story_told": np.array([matched(one, other) for one, other in pairs]),
        "story_gain": np.array(
            [
                (one[0] + other[1] - one[1] - other[0]) / length
                for (one, other), length in zip(pairs, lengths, strict=True)
            ]
        ),
    }


def _stories(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    def story(row: Row) -> str:
        return next((row.id.removesuffix(side) for side in _SIDES if row.id.endswith(side)), row.id)

    groups = [list(group) for _, group in groupby(rows, key=story)]
    return [(group[0], group[1]) for group in groups if len(group) == len(_SIDES)]


def _effect(told: Told, tokenizer: ChainTokenizer) -> Ids:
    """The consequence with the marker that ends it: without that a beginning would count as the whole."""
    return (*tokenizer.encode(told.row.consequence.impact.strip()), tokenizer.chain.fields[Field.RIPPLES])


MEASURES: tuple[Measure, ...] = (
    Measure("story_told", "Moral Stories: consequences matched to their actions", ("story_told",), 0.5),
    Measure("story_gain", "Moral Stories: nats a token that the own action adds", ("story_gain",), 0.0),
)
