"""What a written situation must be to become rows: the square, the lengths, and nothing that was said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]
from pydantic import ValidationError

from tear_training.audit.duplicates import SHINGLE_WORDS, THRESHOLD
from tear_training.audit.words import said_before, scene, shingles
from tear_training.expand.cache import Request
from tear_training.expand.plan import SQUARE, Ask, Cell
from tear_training.expand.shapes import ReplyFault, WrittenAnswer, WrittenSituation
from tear_training.rows import Provenance, Row, Trait

MIN_WORDS = 10
MAX_WORDS = 60
"""Of an answer, and of the revised one."""

_PERMUTATIONS = 128
_BANDS = (32, 4)
"""Bands and rows of the index: it misses a pair at the threshold once in 6,000, since (1 - 0.7^4)^32 = 0.00015."""

TextKind = Literal["input", "response", "scene"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What every row of a run says of where it comes from."""

    writer: str
    license: str
    language: str


def situation_id(request: Request) -> str:
    """The situation that `request` asks for; the reply does not matter, so a plan knows its situations beforehand."""
    return f"expand-{request.key[:16]}"


def make_rows(written: WrittenSituation, ask: Ask, request: Request, *, origin: Origin) -> tuple[Row, ...]:
    """The answers of a situation as rows; `ReplyFault` when it is not the situation that was asked for.

    `revised` is kept on answers that close and dropped from others, which need none.
    """
    if faults := list(_square_faults(written)):
        raise ReplyFault("; ".join(faults))
    turns = [{"role": turn.role, "content": turn.content} for turn in written.messages]
    said = {"messages": turns} if len(turns) > 1 else {"input": turns[0]["content"]}
    name = situation_id(request)
    stratum = ask.stratum
    provenance = Provenance(
        kind="generated", generator=origin.writer, prompt_digest=request.prompt_digest, seed=request.sampling.seed
    )
    try:
        return tuple(
            Row.model_validate(
                said
                | {
                    "id": f"{name}.{number}",
                    "situation_id": name,
                    "response": answer.response,
                    "consequence": answer.model_dump(include={"who", "impact", "ripples", "weight"}),
                    "revised": answer.revised if answer.weight < 0 else None,
                    "component": stratum.component,
                    "difficulty": stratum.difficulty,
                    "culture": stratum.culture,
                    "language": origin.language,
                    "source": f"tear data expand with {origin.writer}",
                    "license": origin.license,
                    "provenance": provenance.model_dump(),
                    "traits": _traits(answer, crisis=written.crisis),
                }
            )
            for number, answer in enumerate(written.answers, start=1)
        )
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'row'}: {fault['msg']}" for fault in exc.errors()]
        raise ReplyFault("; ".join(faults)) from exc


def length_fault(row: Row) -> str | None:
    """Why an answer is too short, too long or too heavy, or None."""
    for name, text in (("response", row.response), ("revised", row.revised)):
        if text is not None and not MIN_WORDS <= (count := len(text.split())) <= MAX_WORDS:
            return f"length: {name} has {count} words, expected {MIN_WORDS} to {MAX_WORDS}"
    if row.component == "subtle" and abs(row.consequence.weight or 0) == 3:
        return "weight: 3 in size does not occur in component subtle"
    return None


class Said:
    """Texts that stand already, to find near-duplicates of: inputs, answers and scenes, each among its own kind."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._kinds: dict[TextKind, _Index] = {"input": _Index(), "response": _Index(), "scene": _Index()}
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Remember what a row says."""
        for kind, text in _texts(row):
            self._kinds[kind].add(text, row.id, situation=row.situation_id)

    def fault(self, row: Row) -> str | None:
        """Which row says nearly the same, or None; that the answers to one situation share it is no fault."""
        for kind, text in _texts(row):
            found = self._kinds[kind].find(text, besides=row.situation_id if kind == "input" else None)
            if found is not None:
                return f"near-duplicate: the {kind} is nearly that of {found}"
        return None


@dataclass(slots=True)
class _Index:
    lsh: MinHashLSH = field(default_factory=lambda: MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS))
    texts: list[tuple[frozenset[str], str, str]] = field(default_factory=list)
    """Shingles, row and situation."""
    known: set[tuple[str, frozenset[str]]] = field(default_factory=set)

    def add(self, text: str, row: str, *, situation: str) -> None:
        parts = shingles(text, SHINGLE_WORDS)
        # The rows of a situation share its input: once is enough.
        if not parts or (situation, parts) in self.known:
            return
        self.known.add((situation, parts))
        self.lsh.insert(len(self.texts), _minhash(parts), check_duplication=False)
        self.texts.append((parts, row, situation))

    def find(self, text: str, *, besides: str | None) -> str | None:
        parts = shingles(text, SHINGLE_WORDS)
        if not parts:
            return None
        numbers: list[int] = sorted(self.lsh.query(_minhash(parts)))
        for others, row, situation in (self.texts[number] for number in numbers):
            if situation != besides and len(parts & others) >= THRESHOLD * len(parts | others):
                return row
        return None


def _minhash(parts: frozenset[str]) -> MinHash:
    minhash = MinHash(num_perm=_PERMUTATIONS, seed=1)
    minhash.update_batch([part.encode() for part in sorted(parts)])
    return minhash


def _texts(row: Row) -> Iterator[tuple[TextKind, str]]:
    yield "input", said_before(row)
    yield "response", row.response
    if row.revised is not None:
        yield "response", row.revised
    yield "scene", scene(row)


def _square_faults(written: WrittenSituation) -> Iterator[str]:
    if not written.messages or written.messages[-1].role != "user":
        yield "messages: must end with what the user said"
    has = {_cell(answer) for answer in written.answers}
    for manner, effect in SQUARE:
        if (manner, effect) not in has:
            yield f"answers: no {manner} answer that {effect}"
    if len({shingles(answer.response, SHINGLE_WORDS) for answer in written.answers}) < len(written.answers):
        yield "answers: the same answer stands twice"


def _cell(answer: WrittenAnswer) -> Cell | None:
    if answer.manner == "plain" or answer.weight == 0:
        return None
    return (answer.manner, "opens" if answer.weight > 0 else "closes")


def _traits(answer: WrittenAnswer, *, crisis: bool) -> list[Trait]:
    traits: list[Trait] = []
    if answer.manner != "plain":
        traits.append(answer.manner)
    if answer.kind != "plain":
        traits.append(answer.kind)
    if crisis:
        traits.append("crisis")
    return traits
