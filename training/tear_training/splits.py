"""Which split a situation belongs to: settled by its name alone, so that no row ever changes sides."""

from collections.abc import Iterable
from hashlib import blake2s
from typing import Literal

from tear_training.rows import Row

DataSplit = Literal["train", "validation", "test"]

_BUCKETS = 10
_TEST = range(2)
_VALIDATION = range(2, 3)


def split_of(situation_id: str) -> DataSplit:
    """A fifth of the families is for the test, a tenth for validation; all settings of a family go together.

    >>> split_of("late-reply/japan") == split_of("late-reply/united-states")
    True
    """
    family = situation_id.partition("/")[0]
    bucket = int.from_bytes(blake2s(family.encode(), digest_size=8).digest()) % _BUCKETS
    if bucket in _TEST:
        return "test"
    return "validation" if bucket in _VALIDATION else "train"


def rows_of(split: DataSplit, rows: Iterable[Row]) -> list[Row]:
    """The rows of one split, in order."""
    return [row for row in rows if split_of(row.situation_id) == split]


def is_hard(row: Row) -> bool:
    """Whether a row is of the hard evaluation split: a test row whose effect is not obvious."""
    return split_of(row.situation_id) == "test" and row.difficulty != "obvious"
