"""Training rows: one row is one answer to one situation, and what that answer did."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""Text that says something: at least one character that is not a space."""

Component = Literal["warmth", "consequence", "subtle", "repair"]
Difficulty = Literal["obvious", "moderate", "subtle"]
ProvenanceKind = Literal["curated", "generated", "literary", "narrative", "procedural"]


class RowsError(ValueError):
    """A file of rows that cannot be used; the message lists every fault, one `file:line field reason` each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(_Closed):
    """One turn of the conversation that leads up to the answer."""

    role: Literal["system", "user", "assistant"]
    content: Text


class Consequence(_Closed):
    """The scene of what an answer did: who received it, what it did to them, what came after, how heavy it was."""

    impact: Text
    who: Text | None = None
    ripples: Text | None = None
    weight: Annotated[int, Field(ge=-3, le=3)] | None = None
    """Below zero it closed the person, above zero it opened them, 0 left no trace; absent where nobody judged it."""


class Provenance(_Closed):
    """Where a row comes from, so that it can be made again or traced."""

    kind: ProvenanceKind
    generator: Text
    prompt_digest: str | None = None
    seed: int | None = None
    human_reviewed: bool = False


class Row(_Closed):
    """One answer to one situation, its consequence, and a better answer where the first one wounds.

    >>> row.wounding, row.learnable_answer
    (True, 'A month is early days. What made you want to start?')
    """

    id: Text
    situation_id: Text
    """Rows about one situation share it; a split never divides them."""
    input: Text | None = None
    messages: tuple[Message, ...] | None = None
    response: Text
    consequence: Consequence
    revised: Text | None = None
    component: Component
    difficulty: Difficulty
    culture: Text
    language: Text
    source: Text
    license: Text
    provenance: Provenance

    @model_validator(mode="after")
    def _speaks_once(self) -> Self:
        if (self.input is None) == (self.messages is None):
            raise ValueError("give exactly one of 'input' and 'messages'")
        if self.messages is not None and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("'messages' must end with what the user said")
        return self

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What was said before the answer, whichever way the row wrote it."""
        if self.messages is not None:
            return self.messages
        return (Message(role="user", content=self.input or ""),)

    @property
    def wounding(self) -> bool:
        """Whether the answer closes the person: its weight is below zero."""
        return self.consequence.weight is not None and self.consequence.weight < 0

    @property
    def learnable_answer(self) -> str | None:
        """The answer a model may learn to say: the revised one if the first wounds, else the first; None if neither."""
        return self.revised if self.wounding else self.response


def load_rows(path: Path) -> list[Row]:
    """Read a JSONL file of rows; every fault of the file is in the one `RowsError` this raises."""
    rows: list[Row] = []
    faults: list[str] = []
    line_of: dict[str, int] = {}
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = Row.model_validate_json(raw)
        except ValidationError as error:
            faults += (f"{path}:{number} {_field(fault['loc'])} {fault['msg']}" for fault in error.errors())
            continue
        first = line_of.setdefault(row.id, number)
        if first != number:
            faults.append(f"{path}:{number} id {row.id!r} already stands on line {first}")
        rows.append(row)
    if faults:
        raise RowsError(faults)
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL, whole or not at all, and say how many; absent fields are left out."""
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(row.model_dump_json(exclude_none=True) + "\n")
            count += 1
    partial.replace(path)
    return count


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "row"
