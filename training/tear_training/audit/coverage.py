"""What a set holds: situations, answers, manners, cultures, licences, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar, get_args

from tear_training.audit.figures import Answers, Cell, Crisis, Situations
from tear_training.audit.signs import sign
from tear_training.audit.words import normal
from tear_training.rows import Component, Difficulty, Row
from tear_training.splits import DataSplit, is_hard, split_of

_Name = TypeVar("_Name", bound=Hashable)

UNJUDGED = "none"
WEIGHTS = ("-3", "-2", "-1", "0", "1", "2", "3")

# Sound against effect, then what an answer is whatever its sound.
_MANNERS: Mapping[str, Callable[[Row], bool]] = {
    "soft and kind": lambda row: "soft" in row.traits and sign(row) > 0,
    "blunt but kind": lambda row: "blunt" in row.traits and sign(row) > 0,
    "soft but wounding": lambda row: "soft" in row.traits and sign(row) < 0,
    "blunt and wounding": lambda row: "blunt" in row.traits and sign(row) < 0,
    "neutral": lambda row: row.consequence.weight == 0,
    "mixed": lambda row: "mixed" in row.traits,
    "bad_news": lambda row: "bad_news" in row.traits,
    "no": lambda row: "no" in row.traits,
    "crisis": lambda row: "crisis" in row.traits,
}


def count_situations(rows: Sequence[Row]) -> Situations:
    """Situations by what their answers and their settings hold."""
    told = _by(rows, lambda row: row.situation_id)
    sizes = [len(answers) for answers in told.values()]
    opening = {name: sum(sign(row) > 0 for row in answers) for name, answers in told.items()}
    closing = {name: sum(sign(row) < 0 for row in answers) for name, answers in told.items()}
    turning = {name: found for name, found in _turning(rows).items() if found}
    return Situations(
        total=len(told),
        families=len({row.family for row in rows}),
        answers_min=min(sizes, default=0),
        answers_mean=fmean(sizes) if sizes else 0.0,
        answers_max=max(sizes, default=0),
        two_open=sum(count >= 2 for count in opening.values()),
        two_close=sum(count >= 2 for count in closing.values()),
        square=sum(len(answers) >= 4 and opening[name] >= 2 and closing[name] >= 2 for name, answers in told.items()),
        turning=sum(map(len, turning.values())),
        turning_families=len(turning),
        multi_turn_warmth=_situations(row for row in rows if row.component == "warmth" and _is_multi_turn(row)),
        by_component={
            component: _situations(row for row in rows if row.component == component)
            for component in get_args(Component)
        },
        by_culture=_sorted(Counter({(row.situation_id, row.culture): row.culture for row in rows}.values())),
        crises=tuple(
            Crisis(situation=name, answers=len(answers), opens=opening[name])
            for name, answers in sorted(told.items())
            if any("crisis" in row.traits for row in answers)
        ),
    )


def count_answers(rows: Sequence[Row]) -> Answers:
    """Rows by what they are and where they come from."""
    weights = Counter(UNJUDGED if (w := row.consequence.weight) is None else str(w) for row in rows)
    splits = Counter(split_of(row.situation_id) for row in rows)
    cells = Counter((row.component, row.difficulty, row.culture) for row in rows)
    return Answers(
        total=len(rows),
        by_split={split: splits[split] for split in get_args(DataSplit)},
        hard=sum(map(is_hard, rows)),
        by_weight={name: weights[name] for name in (*WEIGHTS, UNJUDGED)},
        by_manner={name: sum(map(is_so, rows)) for name, is_so in _MANNERS.items()},
        by_component=_complete(get_args(Component), Counter(row.component for row in rows)),
        by_difficulty=_complete(get_args(Difficulty), Counter(row.difficulty for row in rows)),
        by_license=_sorted(Counter(row.license for row in rows)),
        by_provenance=_sorted(Counter(row.provenance.kind for row in rows)),
        by_generator=_sorted(Counter(row.provenance.generator for row in rows)),
        reviewed_share=fmean(row.provenance.human_reviewed for row in rows) if rows else None,
        cells=tuple(
            Cell(component=component, difficulty=difficulty, culture=culture, rows=count)
            for (component, difficulty, culture), count in sorted(cells.items())
        ),
    )


def _turning(rows: Sequence[Row]) -> dict[str, set[str]]:
    """The situations of each family in which an answer opens that closes, word for word, in another of its settings."""
    found: dict[str, set[str]] = {}
    for (family, _), same in _by(rows, lambda row: (row.family, " ".join(normal(row.response).split()))).items():
        opens = {row.situation_id for row in same if sign(row) > 0}
        closes = {row.situation_id for row in same if sign(row) < 0}
        if len(opens | closes) > 1 and opens and closes:
            found.setdefault(family, set()).update(opens | closes)
    return found


def _is_multi_turn(row: Row) -> bool:
    return sum(message.role == "user" for message in row.conversation) > 1


def _situations(rows: Iterable[Row]) -> int:
    return len({row.situation_id for row in rows})


def _by(rows: Iterable[Row], name_of: Callable[[Row], _Name]) -> dict[_Name, list[Row]]:
    found: dict[_Name, list[Row]] = {}
    for row in rows:
        found.setdefault(name_of(row), []).append(row)
    return found


def _complete(names: Iterable[str], counted: Mapping[str, int]) -> dict[str, int]:
    return {name: counted.get(name, 0) for name in names}


def _sorted(counted: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first, then by name."""
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
