"""ProsocialDialog (Kim and others, 2022): JSONL, one line for each response, CC BY 4.0.

Columns `context` (the latest thing the user said), `response`, `dialogue_id`, `response_id`; the lines of one dialogue
stand together, in order. What is judged in this set (`safety_label`, `safety_annotations`, and the reasons for them) is
the *context*, never what the response did, so it is no consequence of the response and is left out, as are the rules
of thumb. The one thing in the file that came of a response is what the user says next: that is the impact. The last
response of a dialogue has none and makes no row.

A machine (GPT-3) wrote the user's turns and crowd workers the responses, so a reaction is generated, not lived, and
nobody weighed it: the rows are `generated` and carry no weight. They are witnessed; their answers are not learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.reading import Foreign, Placed, read_entries
from tear_training.importers.tally import Tally
from tear_training.importers.texts import Said, digest
from tear_training.rows import Consequence, Message

MAX_EXCHANGES = 500
"""Every row holds the dialogue before it, so the length of one is bounded."""

_ORIGIN = Origin(source="ProsocialDialog", license="CC-BY-4.0", kind="generated", language="en")


class Exchange(Foreign):
    """What the user said, and the response."""

    context: Said
    response: Said
    dialogue_id: int
    response_id: int


def read_prosocial_dialog(tally: Tally) -> Iterator[Found]:
    """A row for every response that the user answered."""
    dialogue: list[Placed[Exchange]] = []
    for placed in read_entries(Exchange, tally):
        if dialogue and placed.entry.dialogue_id != dialogue[0].entry.dialogue_id:
            yield from _rows_of_dialogue(dialogue, tally)
            dialogue = []
        if len(dialogue) == MAX_EXCHANGES:
            tally.fault(placed.where, "dialogue_id", f"is that of a dialogue of more than {MAX_EXCHANGES} responses")
            continue
        dialogue.append(placed)
    yield from _rows_of_dialogue(dialogue, tally)


def _rows_of_dialogue(dialogue: Sequence[Placed[Exchange]], tally: Tally) -> Iterator[Found]:
    in_order = 0
    while in_order < len(dialogue) and dialogue[in_order].entry.response_id == in_order:
        in_order += 1
    tally.skip("responses whose dialogue is not there in order", len(dialogue) - in_order)
    if not in_order:
        return
    tally.skip("responses without a next turn of the user")
    family = f"prosocial-dialog-{digest(dialogue[0].entry.context)}"
    so_far: tuple[Message, ...] = ()
    for place in range(in_order - 1):
        exchange, reaction = dialogue[place].entry, dialogue[place + 1].entry.context
        so_far += (Message(role="user", content=exchange.context),)
        situation = digest(*(said.content for said in so_far))
        row = _ORIGIN.row(
            id=f"prosocial-dialog-{digest(situation, exchange.response, reaction)}",
            situation_id=f"{family}/{situation}",
            said=so_far,
            response=exchange.response,
            consequence=Consequence(impact=reaction),
        )
        yield Found(dialogue[place].where, row)
        so_far += (Message(role="assistant", content=exchange.response),)


PROSOCIAL_DIALOG = Importer("ProsocialDialog: responses and the user's next turn.", "CC-BY-4.0", read_prosocial_dialog)
