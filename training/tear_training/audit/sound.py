"""How opening and closing answers sound: question marks and length."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tear_training.audit.figures import Side, Sound, Style
from tear_training.audit.signs import sign, signed, too_few
from tear_training.audit.words import normal, words
from tear_training.rows import Row


def find_style(rows: Sequence[Row]) -> Style:
    """The gaps in question marks and in length between opening and closing answers."""
    judged = signed(rows)
    opens = _sound("opens", [row.response for row in judged if sign(row) > 0])
    closes = _sound("closes", [row.response for row in judged if sign(row) < 0])
    why = too_few(judged)
    if why is not None:
        return Style(opens=opens, closes=closes, why=why)
    shorter, longer = sorted((opens.mean_words, closes.mean_words))
    return Style(
        opens=opens,
        closes=closes,
        question_gap=100 * abs(opens.question_share - closes.question_share),
        length_gap=100 * (longer / shorter - 1) if shorter else None,
        why=None if shorter else "the answers of one side hold no words",
    )


def _sound(side: Side, texts: Sequence[str]) -> Sound:
    return Sound(
        side=side,
        rows=len(texts),
        question_share=fmean("?" in normal(text) for text in texts) if texts else 0.0,
        mean_words=fmean(len(words(text)) for text in texts) if texts else 0.0,
    )
