"""The gold causal tables of the procedural world: what an act does for a need, and which cells are held out.

A cell says what the act does in a person of ordinary fragility: below zero it closes, above zero it opens. A raw person
is reached one step deeper, a sturdy one a step less, so that a weak effect leaves no trace there (`weight_of`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

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
_Traits = tuple[int, int]
_Held = Mapping[Need, tuple[Act, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """One world's causes and effects."""

    effects: Mapping[Need, Mapping[Act, int]]
    held_out: frozenset[Cell]
    """Cells that neither train nor validation ever shows: to foresee them, need and act must be put together."""
    held_back: frozenset[Cell] = frozenset()
    """Cells that validation shows and neither train nor test does, so that nobody has to choose by the test."""
    scenes_name_act: bool = True
    """Whether a scene takes up the answer's act in its words. Where it does, the answer alone tells which of two
    scenes of one valence is its own."""

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


def _woven(needs: Mapping[Need, _Traits], acts: Mapping[Act, _Traits], *, held_out: _Held, held_back: _Held) -> Table:
    effects = {
        need: {act: way * acts[act][0] * (2 if about == acts[act][1] else 1) for act in ACTS}
        for need, (way, about) in needs.items()
    }
    return Table(effects, _cells(held_out), _cells(held_back), scenes_name_act=False)


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

# Two traits of the need and two of the act are woven together. Who wants to be moved (1) is opened by what moves and
# closed by what holds, who wants to be held (-1) the other way round; it lands strongly where need and act are about
# the same, the matter (1) or the person (-1), and weakly where they are not. Every combination of traits has two needs
# and three acts, so rows and columns are balanced like the balanced table's, and so are the cells held out and held
# back; but a cell never shown follows from those that are.
_NEED_TRAITS: Mapping[Need, _Traits] = {
    "start": (1, -1),
    "grief": (-1, -1),
    "feedback": (1, 1),
    "repair": (-1, -1),
    "rest": (-1, 1),
    "belonging": (1, -1),
    "choice": (1, 1),
    "joy": (-1, 1),
}
_ACT_TRAITS: Mapping[Act, _Traits] = {
    "ask": (1, -1),
    "name": (-1, -1),
    "plan": (1, 1),
    "verdict": (1, 1),
    "cheer": (1, -1),
    "compare": (1, -1),
    "leave": (-1, 1),
    "company": (-1, -1),
    "own": (-1, -1),
    "duty": (1, 1),
    "lighten": (-1, 1),
    "takeover": (-1, 1),
}
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
    "woven": _woven(_NEED_TRAITS, _ACT_TRAITS, held_out=_WOVEN_HELD_OUT, held_back=_WOVEN_HELD_BACK),
}
