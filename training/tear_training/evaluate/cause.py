"""D4: is the witness the cause of the better answer, or its decoration?

The model must revise wounding drafts after five witnesses: its own; one shuffled in from another situation's wounding
draft; none; one of the other valence, from another situation too; and its own of an answer to the same situation that
opened, which says the same of the person and something else of the answer. Whether a revision is better than its draft
is read off the gold table by the act that its words are; nobody judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.figures import COIN
from tear_training.evaluate.items import Answer, Siblings, shifted
from tear_training.evaluate.runs import Witnessed, revise, witness
from tear_training.evaluate.wordings import read_act
from tear_training.evaluate.writer import Writer
from tear_training.world import Gold
from tear_training.world_table import Table


@dataclass(frozen=True, slots=True)
class Trial:
    """One situation's wounding draft, its opening sibling, and what the model foresaw of both."""

    place: int
    """Which of the situations it is."""
    wounding: Answer
    kind: Answer
    of_wounding: Witnessed
    of_kind: Witnessed


def trials(writer: Writer, siblings: Sequence[Siblings], tokenizer: ChainTokenizer) -> list[Trial]:
    """Witness one wounding and one opening answer in every situation that has both."""
    chosen = []
    for place, each in enumerate(siblings):
        wounding = [answer for answer in each.closing if answer.gold.weight < 0]
        kind = [answer for answer in each.opening if answer.gold.weight > 0]
        if wounding and kind:
            chosen.append((place, wounding[0], kind[0]))
    answers = [answer.told for _, wounding, kind in chosen for answer in (wounding, kind)]
    seen = witness(writer, [told.prompt for told in answers], [told.draft for told in answers], tokenizer)
    return [
        Trial(place, wounding, kind, of_wounding, of_kind)
        for (place, wounding, kind), of_wounding, of_kind in zip(chosen, seen[::2], seen[1::2], strict=True)
    ]


def causes(
    writer: Writer, tried: Sequence[Trial], tokenizer: ChainTokenizer, *, table: Table, situations: int
) -> Columns:
    """D4's columns: whether the revision is better after each witness, `d4_own` and so on; 0.5 where it is no better
    and no worse, or its act cannot be read. `d4_read` is the share that could."""
    conditions: Mapping[str, Sequence[Ids]] = {
        "d4_own": [trial.of_wounding.witness for trial in tried],
        "d4_shuffled": [trial.of_wounding.witness for trial in shifted(tried)],
        "d4_empty": [() for _ in tried],
        "d4_swapped": [trial.of_kind.witness for trial in shifted(tried)],
        "d4_same_person": [trial.of_kind.witness for trial in tried],
    }
    asked = [seen for witnesses in conditions.values() for seen in witnesses]
    drafts = [trial.of_wounding for trial in tried] * len(conditions)
    revisions = iter(revise(writer, drafts, asked, tokenizer))
    columns = {name: np.full(situations, np.nan) for name in (*conditions, "d4_read")}
    for trial in tried:
        columns["d4_read"][trial.place] = 0
    for name in conditions:
        for trial in tried:
            weight = weight_of(tokenizer.decode(next(revisions)), trial.wounding.gold, table)
            columns[name][trial.place] = better(weight, trial.wounding.gold.weight)
            columns["d4_read"][trial.place] += (weight is not None) / len(conditions)
    return columns


def weight_of(answer: str, gold: Gold, table: Table) -> int | None:
    """What an answer would do to the person of `gold`, by the table; None where its act cannot be read."""
    act = read_act(answer)
    return None if act is None else table.weight_of(gold.need, act, gold.fragility)


def better(weight: int | None, draft: int) -> float:
    """Whether a revision of this weight is better than its draft: 1 yes, 0 worse, 0.5 neither or unknown."""
    if weight is None or weight == draft:
        return COIN
    return float(weight > draft)
