"""Training rows: one row is one answer to one situation, and what that answer did."""

import codecs
import datetime
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""Text that says something: at least one character that is not a space."""

Component = Literal["warmth", "consequence", "subtle", "repair"]
Difficulty = Literal["obvious", "moderate", "subtle"]
Trait = Literal["soft", "blunt", "mixed", "bad_news", "no", "crisis"]
"""How an answer sounds (`soft`, `blunt`) and what it is: mixed in effect, bad news, a refusal, or about a crisis."""
ProvenanceKind = Literal["curated", "generated", "literary", "narrative", "procedural", "unstated"]

MAX_LINE_BYTES = 1 << 20
"""A longer line is no row: it is refused before it is parsed."""
MAX_FAULTS = 1000
"""After so many a file is given up: it is something else than rows."""
REJECTED_SUFFIX = ".rejected.jsonl"
UNSTATED = "unstated"
"""What a plain triple does not say of itself."""
_TRIPLE = {"input", "response", "consequence"}


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
    """The scene of what an answer did: who received it, what it did to them, what came after, how heavy it was.

    Where data tells the scene in one piece, that prose is the `impact` and the rest is absent.
    """

    impact: Text
    who: Text | None = None
    ripples: Text | None = None
    weight: Annotated[int, Field(ge=-3, le=3)] | None = None
    """Below zero it closed the person, above zero it opened them, 0 left no trace; absent where nobody judged it."""


class Outcome(_Closed):
    """What was measured in the person who received the answer, where anybody measured it."""

    feedback: Annotated[int, Field(ge=1, le=5)] | None = None
    """Stars that the person gave, 5 the best."""
    intensity_before: Annotated[float, Field(ge=0)] | None = None
    intensity_after: Annotated[float, Field(ge=0)] | None = None
    """How strong the person's distress was, before and after the whole conversation, on the source's own scale."""


class Review(_Closed):
    """What a person decided on a row, and when."""

    verdict: Literal["accepted", "edited"]
    date: datetime.date


class Provenance(_Closed):
    """Where a row comes from, so that it can be made again or traced."""

    kind: ProvenanceKind
    generator: Text
    """Who or what wrote it: a model, a program, a data set."""
    prompt_digest: str | None = None
    """SHA-256 of the prompt or brief that it was written from."""
    seed: int | None = None
    human_reviewed: bool = False
    review: Review | None = None

    @model_validator(mode="after")
    def _reviewed_by_someone(self) -> Self:
        if self.review is not None and not self.human_reviewed:
            raise ValueError("'review' stands in a row that says it was not reviewed")
        return self


class Row(_Closed):
    """One answer to one situation, its consequence, and a better answer where the first one wounds.

    The sketch's plain `{input, response, consequence}` is a row as it stands, and so is a consequence in prose.
    """

    id: Text
    situation_id: Text
    """Rows about one situation share it. What stands before a slash names a family of situations: one question in
    several settings. A split divides neither."""
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
    traits: tuple[Trait, ...] = ()
    outcome: Outcome | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_short_forms(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        filled = _fill_triple(given) if set(given) == _TRIPLE else given
        if isinstance(filled.get("consequence"), str):
            return filled | {"consequence": {"impact": filled["consequence"]}}
        return filled

    @model_validator(mode="after")
    def _speaks_once(self) -> Self:
        if (self.input is None) == (self.messages is None):
            raise ValueError("give exactly one of 'input' and 'messages'")
        if self.messages is not None and (not self.messages or self.messages[-1].role != "user"):
            raise ValueError("'messages' must end with what the user said")
        return self

    @property
    def family(self) -> str:
        """The situation, or the family it belongs to: what a split must not divide."""
        return self.situation_id.partition("/")[0]

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


def load_rows(path: Path) -> list[Row]:
    """Read a JSONL file of rows; every fault of the file is in the one `RowsError` this raises."""
    rows: list[Row] = []
    faults: list[str] = []
    line_of: dict[str, int] = {}
    for number, raw in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if not raw.strip():
            continue
        if len(faults) >= MAX_FAULTS:
            faults.append(f"{path}:{number} and perhaps more: reading stopped after {MAX_FAULTS} faults")
            break
        if len(raw) > MAX_LINE_BYTES:
            faults.append(f"{path}:{number} row is {len(raw)} bytes long, expected at most {MAX_LINE_BYTES}")
            continue
        try:
            row = Row.model_validate_json(raw)
        except ValidationError as error:
            faults += (f"{path}:{number} {_field(fault['loc'])} {_reason(fault)}" for fault in error.errors())
            continue
        first = line_of.setdefault(row.id, number)
        if first != number:
            faults.append(f"{path}:{number} id {row.id!r} already stands on line {first}")
        rows.append(row)
    if faults:
        raise RowsError(faults)
    return rows


def load_files(paths: Sequence[Path]) -> list[Row]:
    """Read files of rows, and all `*.jsonl` of folders, in order; every fault of all of them is in one `RowsError`."""
    rows: list[Row] = []
    faults: list[str] = []
    file_of: dict[str, Path] = {}
    for path in row_files(paths):
        try:
            found = load_rows(path)
        except OSError as error:
            faults.append(f"{path} cannot be read: {error.strerror}")
            continue
        except RowsError as error:
            faults += error.faults
            continue
        for row in found:
            first = file_of.setdefault(row.id, path)
            if first != path:
                faults.append(f"{path} id {row.id!r} already stands in {first}")
        rows += found
    if faults:
        raise RowsError(faults)
    return rows


def row_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and for a folder its `*.jsonl` by name; `RowsError` for a folder that has none.

    What was rejected lies beside the rows as `*.rejected.jsonl`; a folder does not offer it.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        found = [file for file in inside if file == path or not file.name.endswith(REJECTED_SUFFIX)]
        if not found:
            raise RowsError([f"{path} holds no .jsonl file"])
        files += found
    return files


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL, whole or not at all, and say how many; absent fields are left out.

    A file that was there keeps who may read it; a link stays one.
    """
    path = path.resolve()
    partial = path.with_name(path.name + ".partial")
    count = 0
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(row.model_dump_json(exclude_none=True) + "\n")
            count += 1
    if path.exists():
        partial.chmod(path.stat().st_mode & 0o777)
    partial.replace(path)
    return count


def _fill_triple(given: dict[str, Any]) -> dict[str, Any]:
    """The sketch's `{input, response, consequence}` as a row; what it does not say is `unstated`, never guessed."""
    said = {name: str(given[name]) for name in ("input", "response")}
    return given | {
        "id": f"triple-{_digest(said['input'], said['response'])}",
        "situation_id": f"said-{_digest(said['input'])}",
        "component": "consequence",
        "difficulty": "moderate",
        "culture": UNSTATED,
        "language": UNSTATED,
        "source": UNSTATED,
        "license": UNSTATED,
        "provenance": {"kind": UNSTATED, "generator": UNSTATED},
    }


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _reason(fault: Any) -> str:
    said = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "json_invalid":
        return f"{said} (one JSON object on each line is expected; `tear data import` reads other forms)"
    return said


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "row"
