"""The bars that a lambda above zero is held to, and whether it reached them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tear_chain.artifact import Card

State = Literal["reached", "not reached", "not measured"]


class Value(Card):
    """A figure or a difference with its 95 % interval."""

    value: float
    low: float
    high: float


class Verdict(Card):
    """One bar, one condition, and whether it was reached."""

    bar: str
    condition: str
    against: str | None
    """The control that it is compared with; None where the figure itself is held to the bar."""
    expected: str
    found: Value | None
    state: State


@dataclass(frozen=True, slots=True)
class Bar:
    """What is asked of a figure, or of how far it is above a control's."""

    title: str
    figure: str
    against: str | None
    limit: float
    is_ceiling: bool = False
    above_zero: bool = False
    """Whether the whole interval must lie above 0, too."""

    @property
    def expected(self) -> str:
        """The bar in words."""
        sign = "+" if self.against is not None else ""
        said = f"{'at most' if self.is_ceiling else 'at least'} {sign}{self.limit:.2f}"
        return f"{said}, interval above 0" if self.above_zero else said

    def judge(self, condition: str, found: Value | None) -> Verdict:
        """The verdict on what was found."""
        return Verdict(
            bar=self.title,
            condition=condition,
            against=self.against,
            expected=self.expected,
            found=found,
            state="not measured" if found is None else "reached" if self._is_reached(found) else "not reached",
        )

    def _is_reached(self, found: Value) -> bool:
        if self.is_ceiling:
            return found.value <= self.limit
        return found.value >= self.limit and (not self.above_zero or found.low > 0)


BARS = (
    Bar("D2 on held-out cells, over lambda 0", "d2_held_out", "lambda-0", 0.20, above_zero=True),
    Bar("D2 on held-out cells, over sham", "d2_held_out", "sham", 0.20, above_zero=True),
    Bar("D4, own witness less shuffled", "d4_gain", None, 0.10),
    Bar("Kind drafts kept", "kept_kind", None, 0.80),
    Bar("Gentle choice (own drafts that open), over lambda 0", "draft_opens", "lambda-0", 0.15),
    Bar("Perplexity over the base's", "perplexity_ratio", None, 1.02, is_ceiling=True),
)

Figures = Mapping[tuple[str, str], Value]
"""By condition and figure."""
Differences = Mapping[tuple[str, str, str], Value]
"""By condition, control and figure."""


def judge(conditions: Sequence[str], figures: Figures, differences: Differences) -> Iterator[Verdict]:
    """Every bar for every condition."""
    for condition in conditions:
        for bar in BARS:
            if bar.against is None:
                found = figures.get((condition, bar.figure))
            else:
                found = differences.get((condition, bar.against, bar.figure))
            yield bar.judge(condition, found)
