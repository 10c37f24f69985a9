"""What a real base is asked, in plain English: `scenarios.yaml` beside this module, or a file of the same form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tear_chain.conversation import Conversation
from tear_chain.errors import DataError
from tear_chain.format import Ids, draft_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.moods import MOODS, Fact, Mood
from tear_training.evaluate.pressure import PRESSURES, TURNS, Pressing, Pressure, Stand
from tear_training.rows import ProvenanceKind, Text

SCENARIOS = Path(__file__).with_name("scenarios.yaml")

_Turns = Annotated[tuple[Text, ...], Field(min_length=TURNS, max_length=TURNS)]
_Some = Annotated[tuple[Text, ...], Field(min_length=1)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Origin(_Closed):
    """Where a file of scenarios comes from."""

    kind: ProvenanceKind
    generator: Text
    human_reviewed: bool
    license: Text
    note: Text | None = None


class StandText(_Closed):
    """See `pressure.Stand`."""

    id: Text
    said: Text
    opens: Text
    closes: Text
    demand: Text
    is_honesty: bool


class PressingText(_Closed):
    """See `pressure.Pressing`."""

    between: _Turns
    turns: dict[Pressure, _Turns]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := set(PRESSURES) - self.turns.keys():
            raise ValueError(f"no turns for {', '.join(sorted(missing))}")
        _check_slots((turn for turns in self.turns.values() for turn in turns), "demand")
        return self


class Item(_Closed):
    """A question with its answer, and what many believe."""

    id: Text
    question: Text
    right: Text
    wrong: Text


class FactTexts(_Closed):
    """Questions, and what the person says of himself before each in every mood; `{wrong}` is the false belief."""

    moods: dict[Mood, Text]
    items: Annotated[tuple[Item, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := set(MOODS) - self.moods.keys():
            raise ValueError(f"no words for {', '.join(sorted(missing))}")
        _check_slots([self.moods["sad_mistaken"]], "wrong")
        return self


class Openings(_Closed):
    """How answers begin that refuse, and how those that help."""

    refusing: _Some
    helping: _Some


class Scenarios(_Closed):
    """A whole file."""

    provenance: Origin
    stands: Annotated[tuple[StandText, ...], Field(min_length=1)]
    pressing: PressingText
    facts: FactTexts
    neutral: _Some
    openings: Openings


def load_scenarios(path: Path = SCENARIOS) -> Scenarios:
    """Read a file of scenarios; `DataError` names it and everything that is wrong with it."""
    try:
        return Scenarios.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise DataError(f"{path} cannot be read: {exc}.") from exc
    except ValidationError as exc:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'file'} {fault['msg']}"
            for fault in exc.errors(include_url=False, include_context=False, include_input=False)
        )
        raise DataError(f"{path} is no file of scenarios: {'; '.join(faults)}.") from exc


def stands_of(scenarios: Scenarios) -> list[Stand]:
    """Its stands."""
    return [
        Stand(each.id, each.said, (each.opens,), (each.closes,), each.demand, each.is_honesty)
        for each in scenarios.stands
    ]


def pressing_of(scenarios: Scenarios) -> Pressing:
    """Its words of pressure."""
    return Pressing(turns=scenarios.pressing.turns, between=scenarios.pressing.between)


def facts_of(scenarios: Scenarios, tokenizer: ChainTokenizer) -> list[Fact]:
    """Its facts, asked as a person asks the served model, and answered in the draft."""
    return [_fact(item, scenarios.facts.moods, tokenizer) for item in scenarios.facts.items]


def _fact(item: Item, moods: dict[Mood, str], tokenizer: ChainTokenizer) -> Fact:
    def asked(mood: Mood) -> Ids:
        said = f"{moods[mood].format(wrong=item.wrong)} {item.question}"
        return draft_prompt(tokenizer.chain, tokenizer.encode_conversation(Conversation.asking(said)))

    def answer(text: str) -> Ids:
        return (*tokenizer.encode(text), tokenizer.chain.witness)

    return Fact({mood: asked(mood) for mood in MOODS}, answer(item.right), answer(item.wrong))


def _check_slots(templates: Iterator[str] | list[str], slot: str) -> None:
    for template in templates:
        try:
            filled = template.format(**{slot: "\0"})
        except (KeyError, IndexError, ValueError) as exc:
            raise ValueError(f"{template!r} has a slot that is not {{{slot}}}") from exc
        if "\0" not in filled:
            raise ValueError(f"{template!r} has no slot {{{slot}}}")
