"""The gold causal tables of the procedural world: what an act does for a need, and which cells are held out.

A cell says what the act does in a person of ordinary fragility: below zero it closes, above zero it opens. A raw person
is reached one step deeper, a sturdy one a step less, so that a weak effect leaves no trace there (`weight_of`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Need = Literal["start", "grief", "feedback", "repair", "rest", "belonging", "choice", "joy"]
Act = Literal[
    "ask", "name", "plan", "verdict", "cheer", "compare", "leave", "company", "own", "duty", "lighten", "takeover"
]
Fragility = Literal["sturdy", "ordinary", "raw"]
TableName = Literal["balanced", "leaning", "woven"]

NEEDS: tuple[Need, ...] = get_args(Need)
ACTS: tuple[Act, ...] = get_args(Act)

_SHIFT: Mapping[Fragility, int] = {"sturdy": -1, "ordinary": 0, "raw": 1}
Cell = tuple[Need, Act]
_Rows = tuple[tuple[Need, tuple[int, ...]], ...]
_Held = Mapping[Need, tuple[Act, ...]]


class Traits(NamedTuple):
    """What decides between a need and an act."""

    way: Literal[-1, 1]
    """1 if a need wants to be moved or an act moves, -1 if it is about being held."""
    about: Literal[-1, 1]
    """1 if it is about the matter, -1 if about the person."""


class Weave(NamedTuple):
    """The traits of every need and every act."""

    needs: Mapping[Need, Traits]
    acts: Mapping[Act, Traits]

    def effect(self, need: Need, act: Act) -> int:
        """Opens where the ways are the same, closes where not; strongly where both are about the same, else weakly."""
        wanted, given = self.needs[need], self.acts[act]
        return wanted.way * given.way * (2 if wanted.about == given.about else 1)


@dataclass(frozen=True, slots=True)
class Table:
    """One world's causes and effects."""

    effects: Mapping[Need, Mapping[Act, int]]
    held_out: frozenset[Cell]
    """Cells that neither train nor validation ever shows: to foresee them, need and act must be put together."""
    held_back: frozenset[Cell] = frozenset()
    """Cells that validation shows and neither train nor test does, so that nobody has to choose by the test."""
    weave: Weave | None = None
    """What the effects are made of, where they are; scenes then tell these traits, and do not name the act."""

    def acts(self, need: Need, effects: range, *, among: Collection[Cell] | None = None) -> tuple[Act, ...]:
        """The acts whose effect on `need` is one of `effects`; of these the ones in the cells `among`, or all."""
        return tuple(
            act for act in ACTS if self.effects[need][act] in effects and (among is None or (need, act) in among)
        )

    @property
    def shown(self) -> frozenset[Cell]:
        """The cells that every split shows."""
        return frozenset((need, act) for need in NEEDS for act in ACTS) - self.held_out - self.held_back

    def weight_of(self, need: Need, act: Act, fragility: Fragility) -> int:
        """The gold weight, -3 to 3: one step stronger in a raw person, one weaker in a sturdy one, never turned."""
        effect = self.effects[need][act]
        strength = abs(effect) + _SHIFT[fragility]
        return strength if effect > 0 else -strength


def _table(rows: _Rows, held_out: _Held) -> Table:
    return Table({need: dict(zip(ACTS, row, strict=True)) for need, row in rows}, _cells(held_out))


def _woven(weave: Weave, *, held_out: _Held, held_back: _Held) -> Table:
    effects = {need: {act: weave.effect(need, act) for act in ACTS} for need in NEEDS}
    return Table(effects, _cells(held_out), _cells(held_back), weave)


def _cells(held: _Held) -> frozenset[Cell]:
    return frozenset((need, act) for need, acts in held.items() for act in acts)


# Every need has six acts that open and six that close, two of each only weakly; every act opens four needs and closes
# four, and as many weakly. The held-out third of the cells keeps that balance, in itself and in what is left. So
# neither need nor act alone tells the valence, and no bag of words can. Signs follow sense wherever the balance lets
# them: an integer program chose them for the most of it, and nine of the 96 bow.
_BALANCED: _Rows = (
    # ask, name, plan, verdict, cheer, compare, leave, company, own, duty, lighten, takeover
    ("start", (2, -2, 2, -2, 2, 2, -1, 1, -2, 1, -1, -2)),
    ("grief", (1, 2, -2, -2, -1, -2, 2, 2, -1, -2, 1, 2)),
    ("feedback", (-2, -2, 2, 2, 1, 2, -2, -2, 1, 2, -1, -1)),
    ("repair", (-2, 2, -2, 1, -2, -2, 2, -1, 2, -1, 1, 2)),
    ("rest", (-2, 1, -1, 2, -2, -1, 2, -2, 1, -2, 2, 2)),
    ("belonging", (2, -1, 1, -2, -1, 1, -2, 2, 2, 2, -2, -2)),
    ("choice", (-1, -1, 2, 2, 1, 2, 1, -2, -2, 2, -2, -2)),
    ("joy", (2, 1, -2, -1, 2, -2, -2, 2, -1, -2, 2, 1)),
)
_BALANCED_HELD_OUT: _Held = {
    "start": ("ask", "name", "duty", "lighten"),
    "grief": ("verdict", "own", "lighten", "takeover"),
    "feedback": ("ask", "compare", "own", "lighten"),
    "repair": ("name", "compare", "duty", "lighten"),
    "rest": ("plan", "leave", "company", "own"),
    "belonging": ("plan", "cheer", "company", "takeover"),
    "choice": ("name", "verdict", "cheer", "company"),
    "joy": ("name", "leave", "company", "own"),
}

# Six acts open most people and six close them, and six cells turn that round: a plan helps someone stuck and hurts
# someone who grieves. Most of the valence can be told from the act alone, as much as nano's adapter learns in minutes.
_LEANING: _Rows = (
    # ask, name, plan, verdict, cheer, compare, leave, company, own, duty, lighten, takeover
    ("start", (2, 1, 2, -2, 2, -2, -1, 2, 1, -2, -1, -2)),
    ("grief", (2, 2, -2, -2, -2, -2, -2, 2, 1, -2, -2, 2)),
    ("feedback", (2, 1, 2, 2, 1, -2, -2, 1, 2, -2, -2, -2)),
    ("repair", (1, 2, 2, -2, 1, -2, -2, 1, 2, -2, -2, -1)),
    ("rest", (1, 2, 2, -2, 1, -1, 2, 2, 2, -2, -2, -1)),
    ("belonging", (2, 2, 2, -1, 2, -2, -2, 2, 1, -2, -2, -2)),
    ("choice", (2, 2, 2, -1, 1, -2, -2, 2, 1, -1, -2, -2)),
    ("joy", (2, 2, 1, -2, 2, -2, -2, 2, 1, -2, 2, -2)),
)

# Every combination of traits has two needs and three acts, so rows and columns are balanced like the balanced table's,
# and so are the cells held out and held back; but a cell never shown follows from those that are.
_WEAVE = Weave(
    needs={
        "start": Traits(1, -1),
        "grief": Traits(-1, -1),
        "feedback": Traits(1, 1),
        "repair": Traits(-1, -1),
        "rest": Traits(-1, 1),
        "belonging": Traits(1, -1),
        "choice": Traits(1, 1),
        "joy": Traits(-1, 1),
    },
    acts={
        "ask": Traits(1, -1),
        "name": Traits(-1, -1),
        "plan": Traits(1, 1),
        "verdict": Traits(1, 1),
        "cheer": Traits(1, -1),
        "compare": Traits(1, -1),
        "leave": Traits(-1, 1),
        "company": Traits(-1, -1),
        "own": Traits(-1, -1),
        "duty": Traits(1, 1),
        "lighten": Traits(-1, 1),
        "takeover": Traits(-1, 1),
    },
)
_WOVEN_HELD_OUT: _Held = {
    "start": ("name", "compare", "duty", "lighten"),
    "grief": ("cheer", "company", "duty", "lighten"),
    "feedback": ("cheer", "leave", "company", "duty"),
    "repair": ("name", "plan", "compare", "leave"),
    "rest": ("name", "compare", "leave", "duty"),
    "belonging": ("plan", "cheer", "leave", "company"),
    "choice": ("name", "plan", "compare", "lighten"),
    "joy": ("plan", "cheer", "company", "lighten"),
}
_WOVEN_HELD_BACK: _Held = {
    "start": ("ask", "verdict", "own", "takeover"),
    "grief": ("ask", "verdict", "own", "takeover"),
    "rest": ("ask", "verdict", "own", "takeover"),
    "choice": ("ask", "verdict", "own", "takeover"),
}

TABLES: Mapping[TableName, Table] = {
    "balanced": _table(_BALANCED, _BALANCED_HELD_OUT),
    "leaning": _table(_LEANING, {}),
    "woven": _woven(_WEAVE, held_out=_WOVEN_HELD_OUT, held_back=_WOVEN_HELD_BACK),
}
