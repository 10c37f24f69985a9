"""Whether evaluation rows repeat runs of words that stand in training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tear_training.audit.figures import Contamination, Overlap
from tear_training.audit.words import grams, scene, words
from tear_training.rows import Row
from tear_training.splits import split_of

GRAM_WORDS = 8
WORST = 10
"""Rows that are listed."""


def find_contamination(rows: Sequence[Row]) -> Contamination:
    """Rows of validation and test that share a run of eight words with training.

    Responses and scenes of evaluation are sought in responses, revised answers and scenes of training. A family is
    never divided, so whatever is found stands in another family.
    """
    held = [(row, _grams(row.response, scene(row))) for row in rows if split_of(row.situation_id) != "train"]
    sought = {gram for _, said in held for gram in said}
    # Only what is sought is remembered: training has far more runs of words than evaluation.
    trained: dict[str, str] = {}
    for row in rows:
        if split_of(row.situation_id) == "train":
            for gram in _grams(row.response, row.revised or "", scene(row)):
                if gram in sought:
                    trained.setdefault(gram, row.id)
    found = [overlap for row, said in held if (overlap := _overlap(row, said, trained)) is not None]
    found.sort(key=lambda overlap: (-overlap.grams, overlap.row))
    return Contamination(
        gram_words=GRAM_WORDS,
        evaluation_rows=len(held),
        touched_rows=len(found),
        share=len(found) / len(held) if held else None,
        worst=tuple(found[:WORST]),
    )


def _overlap(row: Row, said: Sequence[str], trained: dict[str, str]) -> Overlap | None:
    shared = [gram for gram in said if gram in trained]
    if not shared:
        return None
    return Overlap(
        row=row.id,
        split=split_of(row.situation_id),
        grams=len(shared),
        example=shared[0],
        train_row=trained[shared[0]],
    )


def _grams(*texts: str) -> list[str]:
    """The runs of words of each text, none across two of them, each once and in order."""
    return list(dict.fromkeys(_runs(texts)))


def _runs(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield from grams(words(text), GRAM_WORDS)
