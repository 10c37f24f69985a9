"""What to ask for: situations by stratum, in an order and with details that a seed settles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from itertools import count, product
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tear_chain.errors import DataError
from tear_training.rows import Component, Difficulty, Text

Manner = Literal["soft", "blunt"]
Effect = Literal["opens", "closes"]
Fifth = Literal["neutral", "mixed", "bad_news", "no"]
Cell = tuple[Manner, Effect]
"""A field of the square: how an answer sounds, and what it does."""

SQUARE: tuple[Cell, ...] = (("soft", "opens"), ("soft", "closes"), ("blunt", "opens"), ("blunt", "closes"))

TOPICS = (
    "workshops, kitchens and apprenticeships",
    "bosses, colleagues and shifts",
    "a small shop or a business on the phone",
    "school, exams and teachers",
    "music, sport or another thing practised alone",
    "illness, hospitals and waiting for results",
    "caring for somebody old",
    "disability and ageing bodies",
    "grief",
    "pregnancy and the first year of a child",
    "debt, rent and landlords",
    "offices, forms and taxes",
    "farming and the weather",
    "inheritance",
    "falling in love and dating",
    "marriage and its quarrels",
    "friendship and its endings",
    "loneliness",
    "migration and a new language",
    "faith and losing it",
    "coming out",
    "neighbours",
    "parents and grown-up children",
    "teenagers at home",
    "adoption and step-families",
    "grandparents",
    "household work and cooking",
    "programming and other people's code",
    "online life, games and strangers",
    "art or writing shown to others",
    "an ordinary technical question",
    "travel, and things that got lost",
)
CULTURES = (
    "argentina",
    "bangladesh",
    "brazil",
    "china",
    "egypt",
    "ethiopia",
    "finland",
    "france",
    "germany",
    "ghana",
    "india",
    "indonesia",
    "iran",
    "italy",
    "japan",
    "kenya",
    "mexico",
    "morocco",
    "netherlands",
    "nigeria",
    "pakistan",
    "philippines",
    "poland",
    "south-korea",
    "spain",
    "turkey",
    "ukraine",
    "united-kingdom",
    "united-states",
    "vietnam",
)

_MANNERS: tuple[Manner, ...] = get_args(Manner)
_EFFECTS: tuple[Effect, ...] = get_args(Effect)
_FIFTHS: tuple[Fifth, ...] = get_args(Fifth)
_LENGTHS = ((14, 30), (18, 38), (22, 42), (12, 24))
"""Words of the short and the long answer of each side."""
_Item = TypeVar("_Item")


class ExpandPlan(BaseModel):
    """Everything that decides which prompts are sent; the same plan gives the same prompts.

    A plan for more situations begins with those of the plan for fewer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    situations: Annotated[int, Field(gt=0)] = 100
    seed: int = 0
    components: Annotated[tuple[Component, ...], Field(min_length=1)] = get_args(Component)
    topics: Annotated[tuple[Text, ...], Field(min_length=1)] = TOPICS
    difficulties: Annotated[tuple[Difficulty, ...], Field(min_length=1)] = get_args(Difficulty)
    cultures: Annotated[tuple[Text, ...], Field(min_length=1)] = CULTURES
    language: Text = "en"
    """BCP 47 code of the language that the situations are written in."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = 1.0
    """The writer's; null leaves it to the endpoint."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    """Limit of one reply, thinking included; null leaves it to the endpoint."""
    judge_temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.0

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for name in ("components", "topics", "difficulties", "cultures"):
            values = getattr(self, name)
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"{name} names {', '.join(twice)} twice")
        return self

    def asks(self) -> list[Ask]:
        """The situations to ask for, in order."""
        strata = _strata(self)
        return [_ask(self.seed, index, next(strata)) for index in range(self.situations)]


@dataclass(frozen=True, slots=True)
class Stratum:
    """What kind of situation is asked for."""

    component: Component
    topic: str
    difficulty: Difficulty
    culture: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One situation to ask for. What could give an answer's effect away by its sound is dealt out, not left to the
    writer: the order of the answers, which of them ask a question, and how long they are."""

    index: int
    stratum: Stratum
    seed: int
    """The request's own, 31 bits."""
    order: tuple[Cell, ...]
    questions: frozenset[Cell]
    """Answers that ask a question: one of each side or none."""
    words: tuple[tuple[Cell, int], ...]
    """About how long each answer is; the two sides have the same two lengths."""
    several_turns: bool
    fifth: Fifth | None
    """An answer outside the square, in one situation of three."""


def load_plan(path: Path) -> ExpandPlan:
    """Read a plan from YAML; what it leaves out keeps its default. All that is wrong comes in one `DataError`."""
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}.") from exc
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise DataError(f"{path} is not YAML: {' '.join(str(exc).split())}.") from exc
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no plan. Write at least one key of: {', '.join(ExpandPlan.model_fields)}.")
    try:
        return ExpandPlan.model_validate(content)
    except ValidationError as exc:
        faults = (f"  {'.'.join(map(str, fault['loc'])) or 'plan'}: {fault['msg']}" for fault in exc.errors())
        raise DataError(f"{path} cannot be used:\n" + "\n".join(faults)) from exc


def _strata(plan: ExpandPlan) -> Iterator[Stratum]:
    """Every stratum once, then all again in another order. Components and difficulties take turns, so that any first
    part of the list holds about equally many of each."""
    for lap in count():
        pairs = _shuffled(tuple(product(plan.components, plan.difficulties)), plan.seed, lap)
        places = tuple(product(plan.topics, plan.cultures))
        decks = [_shuffled(places, plan.seed, lap, pair) for pair in pairs]
        for turn in range(len(places)):
            for (component, difficulty), deck in zip(pairs, decks, strict=True):
                topic, culture = deck[turn]
                yield Stratum(component, topic, difficulty, culture)


def _ask(seed: int, index: int, stratum: Stratum) -> Ask:
    lengths = _LENGTHS[_number(seed, index, "lengths") % len(_LENGTHS)]
    words: dict[Cell, int] = {}
    questions: set[Cell] = set()
    for effect in _EFFECTS:
        for manner, length in zip(_shuffled(_MANNERS, seed, index, effect), lengths, strict=True):
            words[manner, effect] = length
        # Two answers in five ask a question: the brief's share, on either side.
        if _number(seed, index, "questions") % 5 != 0:
            questions.add((_shuffled(_MANNERS, seed, index, effect, "asks")[0], effect))
    fifth = _number(seed, index, "fifth")
    return Ask(
        index=index,
        stratum=stratum,
        seed=_number(seed, index) % 2**31,
        order=tuple(_shuffled(SQUARE, seed, index, "order")),
        questions=frozenset(questions),
        words=tuple((cell, words[cell]) for cell in SQUARE),
        several_turns=stratum.component == "repair" or _number(seed, index, "turns") % 3 == 0,
        fifth=_FIFTHS[fifth // 3 % len(_FIFTHS)] if fifth % 3 == 0 else None,
    )


def _number(*key: object) -> int:
    """A number that only `key` decides, on every machine and Python: `random` promises that for no shuffle."""
    return int.from_bytes(blake2s(repr(key).encode(), digest_size=8).digest())


def _shuffled(items: Sequence[_Item], *key: object) -> list[_Item]:
    return sorted(items, key=lambda item: _number(*key, item))
