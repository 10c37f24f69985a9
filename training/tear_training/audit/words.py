"""Texts of a row as an audit reads them, and the words in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tear_training.rows import Row

WORD = r"[^\W_]+(?:'[^\W_]+)*"
"""Letters and figures, with an apostrophe inside a word."""

_WORD = re.compile(WORD)
_ONE_SORT = str.maketrans(
    {
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{FULLWIDTH QUESTION MARK}": "?",
        "\N{ARABIC QUESTION MARK}": "?",
        "\N{FULLWIDTH EXCLAMATION MARK}": "!",
    }
)


def normal(text: str) -> str:
    """The text in small letters, with one sort of apostrophe, question mark and exclamation mark."""
    return text.lower().translate(_ONE_SORT)


def words(text: str) -> list[str]:
    """The words of a text, without what stands between them.

    >>> words("Don't. Two more hours!")
    ["don't", 'two', 'more', 'hours']
    """
    return _WORD.findall(normal(text))


def grams(said: Sequence[str], size: int) -> Iterator[str]:
    """Every run of `size` words; none where there are fewer."""
    return (" ".join(said[start : start + size]) for start in range(len(said) - size + 1))


def shingles(text: str, size: int) -> frozenset[str]:
    """The runs of `size` words, or the whole text where it is shorter; empty for a text without words."""
    said = words(text)
    return frozenset(grams(said, size)) if len(said) >= size else frozenset([" ".join(said)] if said else [])


def scene(row: Row) -> str:
    """What the answer did, in one text: who received it, what it did, what came after."""
    told = row.consequence
    return "\n".join(part for part in (told.who, told.impact, told.ripples) if part)


def said_before(row: Row) -> str:
    """What was said before the answer, in one text; what a system message orders is not said."""
    return "\n".join(message.content for message in row.conversation if message.role != "system")
