"""Text out of foreign files: what counts as said, how wrong decoding is put right, how texts are named."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import ftfy
from pydantic import AfterValidator, StringConstraints, ValidationInfo

from tear_training.rows import MAX_LINE_BYTES


@dataclass(slots=True)
class Mending:
    """The context of a validation: whether any text in it was put right."""

    happened: bool = False


def mend(text: str) -> str:
    """Put text right that was decoded with the wrong table, and leave all other text as it is.

    Only the encoding is touched: quotes, dashes and spaces stay as people typed them.

    >>> mend("donâ€™t"), mend("Naïve “café”")
    ('don’t', 'Naïve “café”')
    """
    return text if text.isascii() else ftfy.fix_encoding(text)


def digest(*texts: str) -> str:
    """A short name for texts, the same on every machine."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def is_same(one: str, other: str) -> bool:
    """Whether two texts differ in spaces and letter case at most."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _mended(text: str, info: ValidationInfo) -> str:
    right = mend(text)
    if right != text and isinstance(info.context, Mending):
        info.context.happened = True
    return right


def _says_something(text: str) -> str:
    # After mending, which can turn signs into spaces.
    if not text.strip():
        raise ValueError("expected text that says something")
    return text


SaidOrNothing = Annotated[str, StringConstraints(max_length=MAX_LINE_BYTES), AfterValidator(_mended)]
"""Text of a foreign file, its encoding put right."""
Said = Annotated[SaidOrNothing, AfterValidator(_says_something)]
"""Such text that is not blank."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^\S+$")]
"""The name that a foreign file gives to an entry."""
