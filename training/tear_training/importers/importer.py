"""What an importer is: how a foreign format becomes rows, under which licence and with which provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tear_training.importers.tally import Tally
from tear_training.rows import (
    UNSTATED,
    Component,
    Consequence,
    Difficulty,
    Message,
    Outcome,
    Provenance,
    ProvenanceKind,
    Row,
)

COMPONENT: Component = "consequence"
"""No foreign set sorts its rows by our components; all of them tell what followed an answer."""
DIFFICULTY: Difficulty = "moderate"
"""What a plain triple has: no foreign set says how hard the effect is to tell."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row, and where in the foreign file it comes from."""

    where: str
    row: Row


@dataclass(frozen=True, slots=True)
class Importer:
    """A foreign format: `read` yields its rows and tells the tally what is wrong or left out."""

    line: str
    """What it imports, in one line for the command's help."""
    license: str
    read: Callable[[Tally], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Origin:
    """What is true of every row of one source."""

    source: str
    license: str
    kind: ProvenanceKind
    language: str = UNSTATED

    def row(
        self,
        *,
        id: str,  # noqa: A002 - the field's name
        situation_id: str,
        said: str | tuple[Message, ...],
        response: str,
        consequence: Consequence,
        revised: str | None = None,
        outcome: Outcome | None = None,
    ) -> Row:
        """A row of this source; `said` is the input or the conversation before the answer."""
        return Row(
            id=id,
            situation_id=situation_id,
            input=said if isinstance(said, str) else None,
            messages=None if isinstance(said, str) else said,
            response=response,
            consequence=consequence,
            revised=revised,
            component=COMPONENT,
            difficulty=DIFFICULTY,
            culture=UNSTATED,
            language=self.language,
            source=self.source,
            license=self.license,
            provenance=Provenance(kind=self.kind, generator=self.source),
            outcome=outcome,
        )
