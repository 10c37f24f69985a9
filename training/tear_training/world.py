"""The procedural world: situations, answers and what the answers did, drawn from a gold causal table.

A person has a hidden need, a bond to the one who answers, and a fragility. An answer is an act. Whether it opens or
closes follows from need and act (`world_table`); fragility makes it land harder or softer, the bond says whom it
reaches. Openers, closers and length of an answer are drawn on their own, so how it sounds says nothing of what it does.

In the `balanced` table every act opens four needs and closes four: the words of an answer do not tell its valence, nor
do those of the situation; only both together do. A third of its cells is held out for the test split. The `woven`
table is balanced in the same way, but made of two traits of needs and acts, so that held-out cells follow from shown
ones. In the `leaning` table most of the valence follows from the act alone; nano's adapter is trained on it
(docs/measurements.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2s
from random import Random
from typing import Literal, NamedTuple, assert_never, get_args
from zlib import crc32

from tear_training import world_text as text
from tear_training.rows import Component, Consequence, Difficulty, Provenance, Row
from tear_training.world_table import ACTS, NEEDS, TABLES, Act, Cell, Fragility, Need, Table, TableName

Bond = Literal["stranger", "friend", "family", "colleague"]
Split = Literal["train", "validation", "test"]
UnseenSplit = Literal["validation", "test"]
"""The splits that nothing is trained on: by the first a recipe may be chosen, by the second it never is."""

BONDS: tuple[Bond, ...] = get_args(Bond)
FRAGILITIES: tuple[Fragility, ...] = ("sturdy", "ordinary", "ordinary", "raw")

_OPENING, _STRONGLY_OPENING, _CLOSING = range(1, 4), range(2, 4), range(-3, 0)
_PROVENANCE_GENERATOR = "tear_training.world"
_BUCKETS = 20
_TEST_BUCKETS = range(2)
_VALIDATION_BUCKETS = range(2, 4)
_UNSEEN_SHARE = 0.5
_HELD_OUT_SHARE = 0.5
_UNTOLD_SHARE = 0.4
"""In the woven world, of the train split: only there does a revision have nothing but the witness to go by."""
_DOCUMENT_KINDS = ("need", "who", "act", "echo", "need and act", "chain")
_DOCUMENT_SHARES = (25, 10, 30, 7, 13, 15)
_Slots = dict[str, str]


@dataclass(frozen=True, slots=True)
class Gold:
    """What is true of a row but written nowhere in it."""

    need: Need
    act: Act
    bond: Bond
    fragility: Fragility
    weight: int
    slots: _Slots
    """What fills the slots of `world_text`, so that the same may be told in its other words."""
    is_answer_seen: bool
    """Whether the train split has answers in this act's words; false only in the test split."""
    is_cell_seen: bool
    """Whether the train split has this act for this need; false only in the test split, and in the woven world also in
    the validation split, which has held-back cells of its own."""

    @property
    def valence(self) -> int:
        """-1 if the answer closes, 1 if it opens, 0 if it leaves no trace."""
        return (self.weight > 0) - (self.weight < 0)


class Case(NamedTuple):
    """A row with its gold."""

    row: Row
    gold: Gold


class _Frame(NamedTuple):
    need: Need
    phrasing: int
    topic: int


@dataclass(frozen=True, slots=True)
class _Situation:
    frame: _Frame
    bond: Bond
    fragility: Fragility
    words: str
    slots: _Slots

    @property
    def id(self) -> str:
        need, phrasing, topic = self.frame
        return f"{need}-{phrasing}-{topic}-{crc32(self.words.encode()):08x}"


class World:
    """Everything that can happen, drawn from one seed.

    >>> case = next(World(7, table="leaning").cases(split="train", count=1))
    >>> case.gold.need, case.gold.act, case.row.consequence.weight
    ('rest', 'plan', -2)

    The split belongs to need x phrasing x topic, so no detail can carry a test situation into train. The test split
    says half of its answers in words that the train split never uses, and draws half of its acts from held-out cells.
    """

    def __init__(self, seed: int, *, table: TableName = "balanced") -> None:
        self.seed = seed
        self.table: Table = TABLES[table]
        self._frames = _frames()

    def rows(self, *, split: Split, count: int) -> Iterator[Row]:
        """`count` rows of one split; where the answer closes, `revised` is an opening answer to the same situation."""
        return (case.row for case in self.cases(split=split, count=count))

    def cases(self, *, split: Split, count: int) -> Iterator[Case]:
        """The same rows as `rows`, with their gold."""
        rng = Random(f"{self.seed}/rows/{split}")  # noqa: S311 - repeatable, not secret
        for number in range(count):
            yield self._case(rng, split, number)

    def siblings(self, *, split: Split, count: int) -> Iterator[tuple[Case, Case, Case, Case]]:
        """`count` situations, each with two answers that open and two that close, by four different acts.

        Opener and closer are the same in all four and nothing follows the act, so any two of them are a minimal edit
        with a known sign, and the two of one valence still differ in what they did.
        """
        rng = Random(f"{self.seed}/siblings/{split}")  # noqa: S311 - repeatable, not secret
        for number in range(count):
            situation = self._situation(rng, split)
            need = situation.frame.need
            is_cell_seen, is_answer_seen = self._is_cell_seen(rng, split, need), _is_answer_seen(rng, split)
            cells = self._cells(split, is_seen=is_cell_seen)
            acts = [
                act
                for effects in (_OPENING, _CLOSING)
                for act in rng.sample(self.table.acts(need, effects, among=cells), 2)
            ]
            frame = (rng.choice(text.OPENERS), rng.choice(text.CLOSERS))
            first, second, third, fourth = (
                self._tell(
                    rng,
                    split,
                    situation,
                    act=act,
                    id=f"world-{self.seed}-{split}-siblings-{number}.{place}",
                    is_cell_seen=is_cell_seen,
                    is_answer_seen=is_answer_seen,
                    frame=frame,
                )
                for place, act in enumerate(acts, start=1)
            )
            yield first, second, third, fourth

    def documents(self, *, split: Split = "train") -> Iterator[str]:
        """Endless texts to pretrain a base on, which never link an answer to its consequence.

        They hold situations, answers by a random act, scenes of what happened whose valence, kind and size are drawn
        apart from situation and answer, and restatements of a situation's need, of an answer's act and of a scene's
        valence in other words. So a base can learn what needs, acts and consequences are and how a chain flows; which
        act does what for which need is left for the adapter.
        """
        rng = Random(f"{self.seed}/documents/{split}")  # noqa: S311 - repeatable, not secret
        while True:
            yield self._document(rng, split)

    def _case(self, rng: Random, split: Split, number: int) -> Case:
        is_woven = self.table.weave is not None
        situation = self._situation(rng, split, untold=_UNTOLD_SHARE if is_woven and split == "train" else 0.0)
        effects = _OPENING if rng.random() < 0.5 else _CLOSING
        need = situation.frame.need
        is_cell_seen = self._is_cell_seen(rng, split, need)
        cells = self._cells(split, is_seen=is_cell_seen)
        return self._tell(
            rng,
            split,
            situation,
            act=rng.choice(self.table.acts(need, effects, among=cells)),
            id=f"world-{self.seed}-{split}-{number}",
            is_cell_seen=is_cell_seen,
            is_answer_seen=_is_answer_seen(rng, split),
        )

    def _tell(
        self,
        rng: Random,
        split: Split,
        situation: _Situation,
        *,
        act: Act,
        id: str,  # noqa: A002 - the row's own word
        is_cell_seen: bool,
        is_answer_seen: bool,
        frame: tuple[str, str] | None = None,
    ) -> Case:
        need, fragility = situation.frame.need, situation.fragility
        weight = self.table.weight_of(need, act, fragility)
        revised = None
        if weight < 0:
            better = self.table.acts(need, _STRONGLY_OPENING, among=None if split == "test" else self.table.shown)
            revised = _answer(rng, rng.choice(better), situation.slots, is_seen=is_answer_seen, heard=self._heard(need))
        row = Row(
            id=id,
            situation_id=situation.id,
            input=situation.words,
            response=_answer(rng, act, situation.slots, is_seen=is_answer_seen, frame=frame),
            consequence=Consequence(
                who=self._who(rng, situation),
                impact=self._impact(rng, need, act, weight=weight, slots=situation.slots),
                ripples=_ripples(rng, need, situation.bond, weight=weight, slots=situation.slots),
                weight=weight,
            ),
            revised=revised,
            component=_component(need, weight),
            difficulty=_difficulty(weight),
            culture="unspecified",
            language="en",
            source="procedural world",
            license="Apache-2.0",
            provenance=Provenance(kind="procedural", generator=_PROVENANCE_GENERATOR, seed=self.seed),
        )
        gold = Gold(
            need,
            act,
            situation.bond,
            fragility,
            weight=weight,
            slots=situation.slots,
            is_answer_seen=is_answer_seen,
            is_cell_seen=is_cell_seen,
        )
        return Case(row, gold)

    def _unseen(self, split: Split) -> frozenset[Cell]:
        match split:
            case "train":
                return frozenset()
            case "validation":
                return self.table.held_back
            case "test":
                return self.table.held_out
            case _:
                assert_never(split)

    def _cells(self, split: Split, *, is_seen: bool) -> frozenset[Cell]:
        return self.table.shown if is_seen else self._unseen(split)

    def _is_cell_seen(self, rng: Random, split: Split, need: Need) -> bool:
        has_unseen = any(of == need for of, _ in self._unseen(split))
        return not has_unseen or rng.random() >= _HELD_OUT_SHARE

    def _who(self, rng: Random, situation: _Situation) -> str:
        who = _who(rng, situation)
        if self.table.weave is None:
            return who
        wanted = self.table.weave.needs[situation.frame.need]
        return f"{who.removesuffix('.')}, {text.WANTED[wanted.way]} {text.ABOUT[wanted.about]}."

    def _heard(self, need: Need) -> str:
        if self.table.weave is None:
            return ""
        wanted = self.table.weave.needs[need]
        return f"{text.HEARD[wanted.way]} {text.ABOUT[wanted.about]}."

    def _impact(self, rng: Random, need: Need, act: Act, *, weight: int, slots: _Slots) -> str:
        if self.table.weave is None:
            return _impact(rng, act, weight, slots)
        given = self.table.weave.acts[act]
        sign = (weight > 0) - (weight < 0)
        depth = text.DEPTH[abs(self.table.effects[need][act])] if sign else ""
        told = f"{text.GIVEN[given.way]} {text.ABOUT[given.about]}. {text.DID[sign]} {depth}"
        return told.format_map(slots).strip()

    def _situation(self, rng: Random, split: Split, *, untold: float = 0.0) -> _Situation:
        frame = rng.choice(self._frames[split, rng.choice(NEEDS)])
        bond, fragility = rng.choice(BONDS), rng.choice(FRAGILITIES)
        slots = _slots(rng, text.TOPICS[frame.topic])
        story = text.NEEDS[frame.need].situations[frame.phrasing].format_map(slots)
        if untold and rng.random() < untold:
            story = rng.choice(text.UNTOLD).format_map(slots)
        parts = (rng.choice(text.BOND_CUES[bond]), story, rng.choice(text.FRAGILITY_CUES[fragility]))
        return _Situation(frame, bond, fragility, " ".join(filter(None, parts)), slots)

    def _document(self, rng: Random, split: Split) -> str:
        situation = self._situation(rng, split)
        act, slots = rng.choice(ACTS), situation.slots
        need_restated = rng.choice(text.NEEDS[situation.frame.need].restated).format_map(slots)
        act_restated = rng.choice(text.ACTS[act].restated).format_map(slots)
        # Most documents are short and say one thing twice: from them a small model learns soonest to look back.
        match rng.choices(_DOCUMENT_KINDS, _DOCUMENT_SHARES)[0]:
            case "need":
                lines = [situation.words, need_restated]
            case "who":
                lines = [situation.words, _who(rng, situation)]
            case "act":
                lines = [_answer(rng, act, slots), act_restated]
            case "echo":
                lines = [situation.words, situation.words]
            case "need and act":
                restated = [need_restated, act_restated]
                rng.shuffle(restated)
                lines = [situation.words, _answer(rng, act, slots), *restated]
            case _:
                lines = [situation.words, _answer(rng, act, slots), _who(rng, situation), *_unlinked_scene(rng, slots)]
        return "\n".join(lines)


def _is_answer_seen(rng: Random, split: Split) -> bool:
    return split != "test" or rng.random() >= _UNSEEN_SHARE


def _frames() -> dict[tuple[Split, Need], list[_Frame]]:
    frames: dict[tuple[Split, Need], list[_Frame]] = {(split, need): [] for split in get_args(Split) for need in NEEDS}
    for need in NEEDS:
        for phrasing in range(len(text.NEEDS[need].situations)):
            for topic in range(len(text.TOPICS)):
                frame = _Frame(need, phrasing, topic)
                frames[_split(frame), need].append(frame)
    return frames


def _split(frame: _Frame) -> Split:
    bucket = int.from_bytes(blake2s(repr(tuple(frame)).encode(), digest_size=4).digest()) % _BUCKETS
    if bucket in _TEST_BUCKETS:
        return "test"
    return "validation" if bucket in _VALIDATION_BUCKETS else "train"


def _slots(rng: Random, topic: text.Topic) -> _Slots:
    person, s, o, p = rng.choice(text.PERSONS)
    kin, ks, ko, _ = rng.choice(text.KIN)
    span = rng.choice(text.SPANS)
    return {
        "t": topic.noun, "T": _capital(topic.noun), "learn": topic.learn, "piece": topic.piece, "group": topic.group,
        "a": person, "A": _capital(person), "s": s, "S": _capital(s), "o": o, "p": p, "P": _capital(p),
        "kin": kin, "ks": ks, "Ks": _capital(ks), "ko": ko, "span": span, "Span": _capital(span),
        "name": rng.choice(text.NAMES), "day": rng.choice(text.DAYS), "month": rng.choice(text.MONTHS),
    }  # fmt: skip


def _answer(
    rng: Random,
    act: Act,
    slots: _Slots,
    *,
    is_seen: bool = True,
    heard: str = "",
    frame: tuple[str, str] | None = None,
) -> str:
    stock = text.ACTS[act]
    core = rng.choice(stock.answers[: -text.HELD_OUT] if is_seen else stock.answers[-text.HELD_OUT :])
    if frame is not None:
        return " ".join(filter(None, (frame[0], core.format_map(slots), frame[1])))
    second = rng.choice(stock.seconds) if rng.random() < 0.6 else ""
    parts = (rng.choice(text.OPENERS), heard, core.format_map(slots), second, rng.choice(text.CLOSERS))
    return " ".join(filter(None, parts))


def _who(rng: Random, situation: _Situation) -> str:
    who = rng.choice(text.NEEDS[situation.frame.need].who).format_map(situation.slots)
    return who + rng.choice(text.BOND_WHO[situation.bond]) + rng.choice(text.FRAGILITY_WHO[situation.fragility]) + "."


def _impact(rng: Random, act: Act, weight: int, slots: _Slots) -> str:
    if weight == 0:
        return rng.choice(text.NOTHING_IMPACTS).format_map(slots)
    stock = text.ACTS[act]
    return rng.choice(stock.opened if weight > 0 else stock.closed).format_map(slots)


def _ripples(rng: Random, need: Need, bond: Bond, *, weight: int, slots: _Slots) -> str:
    if weight == 0:
        return rng.choice(text.NOTHING_RIPPLES).format_map(slots)
    time = rng.choice(text.TIMES[abs(weight)])
    stock = text.NEEDS[need]
    template = rng.choice(stock.opened if weight > 0 else stock.closed)
    ripples = template.format_map(slots | {"time": time, "Time": _capital(time)})
    if rng.random() < 0.5:
        ripples += " " + rng.choice((text.BOND_OPENED if weight > 0 else text.BOND_CLOSED)[bond])
    return ripples


def _unlinked_scene(rng: Random, slots: _Slots) -> list[str]:
    """A scene that holds together in itself but was drawn without a look at the answer or the need."""
    weight = rng.choice((-3, -2, -2, -1, 0, 1, 2, 2, 3))
    scene = [
        _impact(rng, rng.choice(ACTS), weight, slots),
        _ripples(rng, rng.choice(NEEDS), rng.choice(BONDS), weight=weight, slots=slots),
    ]
    if rng.random() < 0.5:
        valence = (weight > 0) - (weight < 0)
        scene.append(rng.choice(text.VALENCE_RESTATED[valence]).format_map(slots))
    return scene


def _component(need: Need, weight: int) -> Component:
    if need == "repair":
        return "repair"
    if abs(weight) <= 1:
        return "subtle"
    return "warmth" if weight > 0 else "consequence"


def _difficulty(weight: int) -> Difficulty:
    if abs(weight) <= 1:
        return "subtle"
    return "moderate" if abs(weight) == 2 else "obvious"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]
