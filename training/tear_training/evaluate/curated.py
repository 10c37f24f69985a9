"""The second suite: curated rows that nothing is trained on, told apart by their scenes. It is reported by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, combinations, groupby
from math import sqrt
from pathlib import Path

import numpy as np

from tear_chain.errors import DataError
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.items import Told, scenes_after, tell
from tear_training.evaluate.pairs import matched
from tear_training.evaluate.scorer import Likelihood
from tear_training.rows import RowsError, load_files
from tear_training.splits import rows_of
from tear_training.world import UnseenSplit

NOTE = "Nano knows the words of its own small world alone: it cannot read these rows, and nothing is claimed of them."


def read_curated(
    file: Path, tokenizer: ChainTokenizer, *, context: int, split: UnseenSplit = "test"
) -> list[list[Told]]:
    """The answers to each situation of the split that has several; `DataError` names a file that cannot be used.

    A situation whose scenes do not fit into `context` beside their answers is left out.
    """
    try:
        rows = rows_of(split, load_files([file]))
    except RowsError as exc:
        raise DataError(str(exc)) from exc
    found = []
    for _, same in groupby(sorted(rows, key=lambda row: row.situation_id), key=lambda row: row.situation_id):
        told = [tell(row, tokenizer) for row in same if row.consequence.weight]
        longest = max((len(each.asked) + len(other.scene) for each in told for other in told), default=0)
        if len(told) > 1 and longest <= context:
            found.append(told)
    if not found:
        raise DataError(f"{file} holds no situation of the {split} split with two judged answers.")
    return found


def told_apart(likelihood: Likelihood, situations: Sequence[Sequence[Told]], *, tokenizer: ChainTokenizer) -> Columns:
    """D1 over all pairs of answers to each situation, `d1_same` and `d1_opposite` by valence.

    `d1_words` is what the words that answers and scenes share give away of the pairs of one valence.
    """
    scores = iter(likelihood.score(list(chain.from_iterable(scenes_after(told) for told in situations))))
    columns: dict[str, list[float]] = {"d1_same": [], "d1_opposite": [], "d1_words": []}
    for told in situations:
        tables = ([next(scores) for _ in told], _overlaps(told, tokenizer))
        same: list[list[float]] = [[], []]
        opposite: list[float] = []
        for one, two in combinations(range(len(told)), 2):
            found = [matched([t[one][one], t[one][two]], [t[two][one], t[two][two]]) for t in tables]
            if _opens(told[one]) == _opens(told[two]):
                same[0].append(found[0])
                same[1].append(found[1])
            else:
                opposite.append(found[0])
        for name, values in (("d1_same", same[0]), ("d1_words", same[1]), ("d1_opposite", opposite)):
            columns[name].append(float(np.mean(values)) if values else np.nan)
    return {name: np.array(values) for name, values in columns.items()}


def _opens(told: Told) -> bool:
    return (told.row.consequence.weight or 0) > 0


def _overlaps(told: Sequence[Told], tokenizer: ChainTokenizer) -> list[tuple[float, ...]]:
    """Cosines of the token counts of each answer and each scene."""
    answers = [Counter(each.draft) for each in told]
    scenes = [Counter(token for token in each.scene if token not in tokenizer.control_ids) for each in told]
    return [tuple(_cosine(answer, scene) for scene in scenes) for answer in answers]


def _cosine(one: Counter[int], two: Counter[int]) -> float:
    shared = sum(count * two[token] for token, count in one.items())
    norms = sum(count**2 for count in one.values()) * sum(count**2 for count in two.values())
    return shared / sqrt(norms) if norms else 0.0
