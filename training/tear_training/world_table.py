"""The gold causal tables of the procedural world: what an act does for a need, and which cells are held out.

A cell says what the act does in a person of ordinary fragility: below zero it closes, above zero it opens. A raw person
is reached one step deeper, a sturdy one a step less, so that a weak effect leaves no trace there (`weight_of`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Need = Literal["start", "grief", "feedback", "repair", "rest", "belonging", "choice", "joy"]
Act = Literal[
    "ask", "name", "plan", "verdict", "cheer", "compare", "leave", "company", "own", "duty", "lighten", "takeover"
]
Fragility = Literal["sturdy", "ordinary", "raw"]
TableName = Literal["balanced", "leaning"]

NEEDS: tuple[Need, ...] = get_args(Need)
ACTS: tuple[Act, ...] = get_args(Act)

_SHIFT: Mapping[Fragility, int] = {"sturdy": -1, "ordinary": 0, "raw": 1}
_Rows = tuple[tuple[Need, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One world's causes and effects."""

    effects: Mapping[Need, Mapping[Act, int]]
    held_out: frozenset[tuple[Need, Act]]
    """Cells that neither train nor validation ever shows: to foresee them, need and act must be put together."""

    def acts(self, need: Need, effects: range, *, seen: bool | None = None) -> tuple[Act, ...]:
        """The acts whose effect on `need` is one of `effects`; of these the seen or the held-out, or all."""
        return tuple(
            act
            for act in ACTS
            if self.effects[need][act] in effects and (seen is None or seen is ((need, act) not in self.held_out))
        )

    def weight_of(self, need: Need, act: Act, fragility: Fragility) -> int:
        """The gold weight, -3 to 3: one step stronger in a raw person, one weaker in a sturdy one, never turned."""
        effect = self.effects[need][act]
        strength = abs(effect) + _SHIFT[fragility]
        return strength if effect > 0 else -strength


def _table(rows: _Rows, held_out: Mapping[Need, tuple[Act, ...]]) -> Table:
    effects = {need: dict(zip(ACTS, row, strict=True)) for need, row in rows}
    return Table(effects, frozenset((need, act) for need, acts in held_out.items() for act in acts))


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
_BALANCED_HELD_OUT: Mapping[Need, tuple[Act, ...]] = {
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

TABLES: Mapping[TableName, Table] = {
    "balanced": _table(_BALANCED, _BALANCED_HELD_OUT),
    "leaning": _table(_LEANING, {}),
}
