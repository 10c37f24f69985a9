"""What a run of expansion came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from tear_training.expand.plan import SQUARE, Cell
from tear_training.rows import Row


@dataclass(frozen=True, slots=True)
class Side:
    """How the answers of one side sound."""

    answers: int
    words: float
    """Mean per answer."""
    questions: float
    """Share of answers that hold a question mark."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Whether the sound of an answer gives its effect away. It is reported, and no row is dropped for it."""

    opens: Side
    closes: Side
    one_sided: int
    """Situations whose question marks all stand on one side."""
    uneven: int
    """Situations where the answers of one side are longer by more than a quarter, on average."""


@dataclass(frozen=True, slots=True)
class ExpandReport:
    """One run of `expand`."""

    asked: int
    """Situations in the plan."""
    rows: int
    squares: int
    """Situations that kept both manners on both sides."""
    rejected: Mapping[str, int]
    """Rejected rows and replies by reason."""
    unanswered: Mapping[str, int]
    """Situations that got no reply, by what the endpoint said; another run asks for them again."""
    requests: int
    """Requests that were answered in this run."""
    cached: int
    """Replies that were at hand from an earlier one."""
    balance: Balance


def balance_of(rows: Sequence[Row]) -> Balance:
    """The balance of all rows, and of each situation where both sides are left; rows of one stand together."""
    one_sided = uneven = 0
    for _, group in groupby(rows, key=lambda row: row.situation_id):
        opens, closes = _sides(list(group))
        if opens.answers and closes.answers:
            one_sided += (opens.questions > 0) != (closes.questions > 0)
            uneven += max(opens.words, closes.words) > 1.25 * min(opens.words, closes.words)
    opens, closes = _sides(rows)
    return Balance(opens, closes, one_sided, uneven)


def count_squares(rows: Sequence[Row]) -> int:
    """Situations that have an answer in each field of the square; rows of one stand together."""
    groups = groupby(rows, key=lambda row: row.situation_id)
    return sum(_fields(group) >= set(SQUARE) for _, group in groups)


def _fields(rows: Iterable[Row]) -> set[Cell]:
    found: set[Cell] = set()
    for row in rows:
        for trait in row.traits:
            if (trait == "soft" or trait == "blunt") and row.consequence.weight:
                found.add((trait, "opens" if row.consequence.weight > 0 else "closes"))
    return found


def _sides(rows: Sequence[Row]) -> tuple[Side, Side]:
    opens = [row.response for row in rows if (row.consequence.weight or 0) > 0]
    closes = [row.response for row in rows if (row.consequence.weight or 0) < 0]
    return _side(opens), _side(closes)


def _side(answers: Sequence[str]) -> Side:
    if not answers:
        return Side(0, 0.0, 0.0)
    return Side(
        len(answers), fmean(len(answer.split()) for answer in answers), fmean("?" in answer for answer in answers)
    )
