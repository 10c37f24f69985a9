"""Emotional Support Conversation (Liu and others, 2021): `ESConv.json` and `FailedESConv.json`, CC BY-NC 4.0.

A list of conversations between a seeker and a supporter (`speaker` and `listener` in the failed ones). Now and then,
mostly after every second thing the supporter said, the seeker gave one to five stars; they stand in the annotation of
what the seeker said next. Such a rating makes one row: the dialogue so far is its messages, the supporter's last turn
before it the response, and what the seeker really said next, word for word, the impact. The weight is stars − 3, so −2
to +2: three stars are halfway. A rating may also cover earlier turns, which the seeker answered without rating them:
these stay in the messages and make no row, since nobody can say what share of the stars is theirs.

The outcome holds the stars and, of the whole conversation, how strong the seeker's distress was before and after, 1 to
5; some seekers did not tell. Consecutive utterances of one person are one turn, a line each. A conversation begins
where the seeker first speaks: what a supporter says before that stands alone, and no model is asked to begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.reading import Foreign, read_entries
from tear_training.importers.tally import Tally
from tear_training.importers.texts import SaidOrNothing, digest
from tear_training.rows import Consequence, Message, Outcome, Row

LICENSE = "CC-BY-NC-4.0"
MAX_UTTERANCES = 1000
"""Every row holds the dialogue before it, so the length of one is bounded."""

_SEEKERS = ("seeker", "speaker")
_HALFWAY = 3


def _number(value: Any) -> Any:
    """A number where the file writes it as text; what is no number is left for the type to refuse."""
    if value == "":
        return None
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4 else value


class Annotation(Foreign):
    """What was noted beside an utterance."""

    feedback: Annotated[Annotated[int, Field(ge=1, le=5)] | None, BeforeValidator(_number)] = None


class Utterance(Foreign):
    """One thing that one person sent."""

    speaker: Literal["seeker", "speaker", "supporter", "listener"]
    content: SaidOrNothing
    annotation: Annotation = Annotation()


class SeekerSurvey(Foreign):
    """What the seeker told before and after the conversation."""

    initial_emotion_intensity: Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_number)] = None
    final_emotion_intensity: Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_number)] = None


class Survey(Foreign):
    """The questions that both were asked."""

    seeker: SeekerSurvey = SeekerSurvey()


class Talk(Foreign):
    """One conversation."""

    dialog: Annotated[list[Utterance], Field(min_length=1, max_length=MAX_UTTERANCES)]
    survey_score: Survey = Survey()


@dataclass(frozen=True, slots=True)
class Turn:
    """What one person said until the other spoke, with the stars given along with it."""

    is_seeker: bool
    text: str
    stars: tuple[int, ...]


def turns_of(utterances: Sequence[Utterance], tally: Tally) -> list[Turn]:
    """The dialogue as turns, seeker first, each side in turn."""
    turns: list[Turn] = []
    early = 0
    for said in utterances:
        if not said.content.strip():
            tally.skip("utterances without text")
            continue
        is_seeker = said.speaker in _SEEKERS
        if not turns and not is_seeker:
            early += 1
            continue
        stars = () if said.annotation.feedback is None else (said.annotation.feedback,)
        turn = Turn(is_seeker, said.content.strip(), stars)
        if turns and turns[-1].is_seeker == is_seeker:
            before = turns.pop()
            turn = Turn(is_seeker, f"{before.text}\n{turn.text}", before.stars + stars)
        turns.append(turn)
    tally.skip("supporter's utterances before the seeker spoke", early)
    return turns


def rows_of_talk(talk: Talk, origin: Origin, *, prefix: str, tally: Tally) -> Iterator[Row]:
    """A row for every supporter's turn that was rated and answered."""
    turns = turns_of(talk.dialog, tally)
    messages = [Message(role="user" if turn.is_seeker else "assistant", content=turn.text) for turn in turns]
    survey = talk.survey_score.seeker
    family = f"{prefix}-{digest(*(turn.text for turn in turns))}"
    for place in range(1, len(turns), 2):
        if place + 1 == len(turns):
            tally.skip("supporter's turns that the seeker did not answer")
            continue
        answer, reaction = turns[place], turns[place + 1]
        if len(reaction.stars) != 1:
            several = "with several ratings" if reaction.stars else "without a rating of their own"
            tally.skip(f"supporter's turns {several}")
            continue
        (stars,) = reaction.stars
        so_far = tuple(messages[:place])
        situation = digest(*(said.content for said in so_far))
        yield origin.row(
            id=f"{prefix}-{digest(family, str(place), str(stars), str(survey))}",
            situation_id=f"{family}/{situation}",
            said=so_far,
            response=answer.text,
            consequence=Consequence(impact=reaction.text, weight=stars - _HALFWAY),
            outcome=Outcome(
                feedback=stars,
                intensity_before=survey.initial_emotion_intensity,
                intensity_after=survey.final_emotion_intensity,
            ),
        )


def _importer(source: str, *, prefix: str, line: str) -> Importer:
    origin = Origin(source=source, license=LICENSE, kind="narrative", language="en")

    def read(tally: Tally) -> Iterator[Found]:
        for placed in read_entries(Talk, tally):
            for row in rows_of_talk(placed.entry, origin, prefix=prefix, tally=tally):
                yield Found(placed.where, row)

    return Importer(line, LICENSE, read)


ESCONV = _importer("ESConv", prefix="esconv", line="ESConv.json: rated support conversations.")
FAILED_ESCONV = _importer(
    "FailedESConv", prefix="failed-esconv", line="FailedESConv.json: rated conversations that failed."
)
