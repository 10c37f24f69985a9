"""Near-duplicates: texts that share most of their runs of three words (MinHash, Broder 1997)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb

from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]

from tear_training.audit.figures import Duplicates, Kind, Pair, Repeats
from tear_training.audit.words import said_before, scene, shingles, words
from tear_training.rows import Row
from tear_training.splits import DataSplit, split_of

THRESHOLD = 0.7
SHINGLE_WORDS = 3
MAX_CANDIDATES = 1_000_000
"""Pairs of texts of one kind that are compared: a set made of templates has too many to compare them all."""
WORST = 30
"""Pairs that are listed."""

_PERMUTATIONS = 128
_BANDS = (32, 4)
"""Bands and rows of the index: it misses a pair at the threshold once in 6,000, since (1 - 0.7^4)^32 = 0.00015."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A text and where it stands."""

    row: str
    situation: str
    family: str
    split: DataSplit
    text: str


@dataclass(frozen=True, slots=True)
class _Group:
    """All places where the same words stand; a set of templates says one thing a thousand times."""

    members: tuple[_Said, ...]
    shingles: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Match:
    """Groups that nearly say the same, or one group matched with itself."""

    first: _Group
    second: _Group
    jaccard: float

    def pairs(self, place: Callable[[_Said], str]) -> int:
        """How many pairs of texts have the same place."""
        firsts = Counter(map(place, self.first.members))
        if self.first is self.second:
            return sum(comb(count, 2) for count in firsts.values())
        seconds = Counter(map(place, self.second.members))
        return sum(count * seconds[name] for name, count in firsts.items())


@dataclass(frozen=True, slots=True)
class _Twins:
    """Two texts of different families that nearly say the same."""

    kind: Kind
    jaccard: float
    first: _Said
    second: _Said

    @property
    def badness(self) -> tuple[bool, float, str, str]:
        """Sorts pairs across splits first, then the most alike."""
        return self.first.split == self.second.split, -self.jaccard, self.first.row, self.second.row


def find_duplicates(rows: Sequence[Row]) -> Duplicates:
    """Near-duplicates among the inputs, the answers and the scenes of `rows`, each kind against itself."""
    repeats: list[Repeats] = []
    twins: list[_Twins] = []
    kinds: tuple[tuple[Kind, Iterator[_Said]], ...] = (
        ("input", _inputs(rows)),
        ("response", _responses(rows)),
        ("scene", (_said(row, scene(row)) for row in rows)),
    )
    for kind, texts in kinds:
        groups = _groups(texts)
        matches, is_capped = _matches(groups)
        repeats.append(_count(kind, groups, matches, is_capped=is_capped))
        twins += heapq.nsmallest(WORST, _twins(kind, matches), key=lambda found: found.badness)
    twins.sort(key=lambda found: found.badness)
    return Duplicates(threshold=THRESHOLD, repeats=tuple(repeats), worst=tuple(map(_pair, twins[:WORST])))


def _inputs(rows: Iterable[Row]) -> Iterator[_Said]:
    """The input of each situation once: its answers share it by design."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        text = said_before(row)
        if (row.situation_id, text) not in seen:
            seen.add((row.situation_id, text))
            yield _said(row, text)


def _responses(rows: Iterable[Row]) -> Iterator[_Said]:
    for row in rows:
        yield _said(row, row.response)
        if row.revised is not None:
            yield _said(row, row.revised)


def _said(row: Row, text: str) -> _Said:
    return _Said(row.id, row.situation_id, row.family, split_of(row.situation_id), text)


def _groups(texts: Iterable[_Said]) -> list[_Group]:
    members: dict[str, list[_Said]] = {}
    for said in texts:
        members.setdefault(" ".join(words(said.text)) or said.text, []).append(said)
    return [_Group(tuple(same), shingles(text, SHINGLE_WORDS)) for text, same in members.items()]


def _matches(groups: Sequence[_Group]) -> tuple[list[_Match], bool]:
    """Groups that are nearly the same, and whether there were too many candidates to compare them all."""
    matches = [_Match(group, group, 1.0) for group in groups if len(group.members) > 1]
    speaking = [group for group in groups if group.shingles]
    sketches = MinHash.generator(
        ([gram.encode() for gram in group.shingles] for group in speaking), num_perm=_PERMUTATIONS
    )
    index = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
    compared = 0
    for number, (group, sketch) in enumerate(zip(speaking, sketches, strict=True)):
        for candidate in sorted(index.query(sketch)):
            if compared == MAX_CANDIDATES:
                return matches, True
            compared += 1
            other = speaking[candidate]
            jaccard = len(group.shingles & other.shingles) / len(group.shingles | other.shingles)
            if jaccard >= THRESHOLD:
                matches.append(_Match(other, group, jaccard))
        index.insert(number, sketch)
    return matches, False


def _count(kind: Kind, groups: Sequence[_Group], matches: Sequence[_Match], *, is_capped: bool) -> Repeats:
    everywhere = sum(match.pairs(lambda said: "") for match in matches)
    same_split = sum(match.pairs(lambda said: said.split) for match in matches)
    same_family = sum(match.pairs(lambda said: said.family) for match in matches)
    same_situation = sum(match.pairs(lambda said: said.situation) for match in matches)
    return Repeats(
        kind=kind,
        texts=sum(len(group.members) for group in groups),
        same_situation=same_situation,
        same_family=same_family - same_situation,
        other_family=same_split - same_family,
        across_splits=everywhere - same_split,
        is_capped=is_capped,
    )


def _twins(kind: Kind, matches: Iterable[_Match]) -> Iterator[_Twins]:
    """Pairs between families, with one text for each family; of a large group not all, but some across splits."""
    for match in matches:
        firsts = _one_per_family(match.first)
        pairs = (
            combinations(firsts, 2) if match.first is match.second else product(firsts, _one_per_family(match.second))
        )
        for first, second in pairs:
            if first.family != second.family:
                yield _Twins(kind, match.jaccard, first, second)


def _one_per_family(group: _Group) -> list[_Said]:
    of_family = {said.family: said for said in reversed(group.members)}
    kept: list[_Said] = []
    in_split: Counter[DataSplit] = Counter()
    for said in sorted(of_family.values(), key=lambda said: said.row):
        in_split[said.split] += 1
        if in_split[said.split] <= WORST:
            kept.append(said)
    return kept


def _pair(twins: _Twins) -> Pair:
    first, second = twins.first, twins.second
    return Pair(
        kind=twins.kind,
        jaccard=twins.jaccard,
        first=first.row,
        second=second.row,
        first_split=first.split,
        second_split=second.split,
        first_text=first.text,
        second_text=second.text,
    )
