"""ATOMIC 2020 (Hwang and others, 2021): a TSV of `head`, `relation`, `tail`, CC-BY.

A head is an event ("PersonX accuses PersonY"), a tail one crowd worker's guess at what is true of it. Six relations
tell what comes of the event: what PersonX (`x`) and others (`o`) feel (`React`), what happens to them (`Effect`) and
what they want then (`Want`). All of them for one event make one row: the event is the answer, feelings are the impact,
effects and wants the ripples. Guesses are told as such ("may"), side by side and unweighed: such a row is witnessed,
its answer not learned.

PersonX, PersonY and PersonZ, also where a tail shortens them to a letter, become Alex, Sam and Robin. What came before
an event the file does not say, so the input is the same plain question in all rows. Left out and counted: `none`,
tails without text, other relations, events with a blank to be filled in, and events of which nobody told a feeling.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.reading import Line, read_lines
from tear_training.importers.tally import Tally
from tear_training.importers.texts import digest, mend
from tear_training.rows import Consequence

INPUT = "What did Alex do?"
MAX_FILE_BYTES = 256 << 20
"""An event's lines stand far apart, so the file is gathered before the first row: it must fit into memory."""

_ORIGIN = Origin(source="ATOMIC 2020", license="CC-BY", kind="narrative", language="en")
_HEADER = ["head", "relation", "tail"]
_FEELINGS = (("oReact", "{others} may feel: {tails}."), ("xReact", "Alex may feel: {tails}."))
_RIPPLES = (
    ("oEffect", "What may happen to {others}: {tails}."),
    ("xEffect", "What may happen to Alex: {tails}."),
    ("oWant", "What {others} may want then: {tails}."),
    ("xWant", "What Alex may want then: {tails}."),
)
_TOLD = {relation for relation, _ in _FEELINGS + _RIPPLES}
_OTHER = """AtLocation CapableOf Causes CausesDesire CreatedBy DefinedAs DesireOf Desires HasA HasFirstSubevent
HasLastSubevent HasPainCharacter HasPainIntensity HasPrerequisite HasProperty HasSubEvent HasSubevent HinderedBy
InheritsFrom InstanceOf IsA LocatedNear LocationOfAction MadeOf MadeUpOf MotivatedByGoal NotCapableOf NotDesires NotHasA
NotHasProperty NotIsA NotMadeOf ObjectUse PartOf ReceivesAction RelatedTo SymbolOf UsedFor isAfter isBefore isFilledBy
xAttr xIntent xNeed xReason"""
_RELATIONS = _TOLD.union(_OTHER.split())
_NAMES = {"x": "Alex", "y": "Sam", "z": "Robin"}
_PERSON = re.compile(r"(?<![\w-])(?:person ?)?([xyz])(?![\w-])", re.IGNORECASE)
_SAM = re.compile(r"\bSam\b")
_BLANK = re.compile(r"__+")


@dataclass(slots=True)
class Event:
    """One head with its tails by relation. A tail said twice, in whatever case, is kept once."""

    where: str
    tails: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def told(self, relation: str) -> str:
        """The tails of a relation side by side; empty where there are none."""
        return "; ".join(self.tails[relation].values()) if relation in self.tails else ""


def named(text: str) -> str:
    """ATOMIC's wording with names for its persons.

    >>> named("PersonX loses PersonX 's temper with person y")
    "Alex loses Alex's temper with Sam"
    """
    with_names = _PERSON.sub(lambda found: _NAMES[found[1].lower()], text)
    return " ".join(with_names.split()).replace(" 's", "'s")


def read_atomic_2020(tally: Tally) -> Iterator[Found]:
    """A row for each event of which somebody told a feeling."""
    if tally.path.is_file() and tally.path.stat().st_size > MAX_FILE_BYTES:
        tally.fault(str(tally.path), "file", f"is longer than {MAX_FILE_BYTES} bytes: split it by its heads")
        return
    for head, event in _gather(tally).items():
        if _BLANK.search(head):
            tally.skip("events with a blank to be filled in")
        elif (found := _row_of(head, event)) is None:
            tally.skip("events of which nobody told a feeling")
        else:
            yield found


def _gather(tally: Tally) -> Mapping[str, Event]:
    events: dict[str, Event] = {}
    for line in read_lines(tally):
        columns = _columns(line, tally)
        if columns is None:
            continue
        head, relation, tail = columns
        if relation not in _TOLD:
            tally.skip("lines of a relation that tells no consequence")
        elif not tail:
            tally.skip("lines whose tail has no text")
        elif tail.casefold() == "none":
            tally.skip("lines whose tail is none")
        else:
            event = events.setdefault(head, Event(line.where))
            event.tails[relation].setdefault(tail.casefold(), tail)
    return events


def _columns(line: Line, tally: Tally) -> tuple[str, str, str] | None:
    """Head, relation and tail with names for persons; None for a header or a line at fault."""
    try:
        text = line.raw.decode()
    except UnicodeDecodeError as error:
        tally.fault(line.where, "row", f"is not UTF-8: {error.reason} at byte {error.start}")
        return None
    columns = text.split("\t")
    if [name.strip().casefold() for name in columns] == _HEADER:
        return None
    if len(columns) != len(_HEADER):
        tally.fault(line.where, "row", f"has {len(columns)} columns, expected head, relation and tail")
        return None
    head, relation, tail = (mend(column).strip() for column in columns)
    if not head:
        tally.fault(line.where, "head", "has no text")
        return None
    if relation not in _RELATIONS:
        tally.fault(line.where, "relation", f"{relation[:40]!r} is none of ATOMIC's")
        return None
    tally.repaired += (head, relation, tail) != tuple(column.strip() for column in columns)
    return named(head), relation, named(tail).rstrip(".")


def _row_of(head: str, event: Event) -> Found | None:
    others = "Sam or others" if _SAM.search(head) else "others"
    impact = _tell(_FEELINGS, event, others=others)
    if impact is None:
        return None
    said = head if head.endswith((".", "!", "?")) else f"{head}."
    name = f"atomic-{digest(head)}"
    row = _ORIGIN.row(
        id=name,
        situation_id=name,
        said=INPUT,
        response=_capital(said),
        consequence=Consequence(
            who=_capital(others) if event.told("oReact") else "Alex",
            impact=impact,
            ripples=_tell(_RIPPLES, event, others=others),
        ),
    )
    return Found(event.where, row)


def _tell(frames: tuple[tuple[str, str], ...], event: Event, *, others: str) -> str | None:
    told = ((frame, event.told(relation)) for relation, frame in frames)
    # Tails may hold braces, so they are put in last and never read as a frame.
    sentences = [_capital(frame.format(others=others, tails=tails)) for frame, tails in told if tails]
    return " ".join(sentences) or None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


ATOMIC_2020 = Importer("ATOMIC 2020: events with feelings, effects and wants (TSV).", "CC-BY", read_atomic_2020)
