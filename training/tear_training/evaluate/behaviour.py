"""What the chain does by itself: is it well formed, what does it revise, and what do its answers weigh?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.cause import Trial, weight_of
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.runs import Witnessed, draft, revise, witness
from tear_training.evaluate.writer import Writer
from tear_training.world_table import Table


def supplied_drafts(
    writer: Writer, tried: Sequence[Trial], tokenizer: ChainTokenizer, *, table: Table, situations: int
) -> Columns:
    """What becomes of drafts that others wrote: `revised_wounding`, `kept_kind` (the no-change rate) and
    `well_formed_supplied`; of wounding ones `shift_supplied`, the gold weight of the answer less that of the draft; and
    of those that were revised `shift_revised`, with what `figures.shift_at_equal_length` needs beside it."""
    wounding = [trial.of_wounding for trial in tried]
    answers = answer(writer, wounding, tokenizer)
    names = (
        "revised_wounding",
        "kept_kind",
        "well_formed_supplied",
        "shift_supplied",
        "shift_revised",
        "growth_revised",
        "growth_squared",
        "shift_by_growth",
    )
    columns = {name: np.full(situations, np.nan) for name in names}
    for trial, said in zip(tried, answers, strict=True):
        place = trial.place
        columns["revised_wounding"][place] = trial.of_wounding.decision is Decision.REVISE
        columns["kept_kind"][place] = trial.of_kind.decision is Decision.KEEP
        columns["well_formed_supplied"][place] = (trial.of_wounding.is_well_formed + trial.of_kind.is_well_formed) / 2
        weight = weight_of(tokenizer.decode(said), trial.wounding.gold, table)
        if weight is None:
            continue
        shift = columns["shift_supplied"][place] = weight - trial.wounding.gold.weight
        if trial.of_wounding.decision is Decision.REVISE:
            grown = growth(trial.of_wounding.draft, said)
            columns["shift_revised"][place] = shift
            columns["growth_revised"][place] = grown
            columns["growth_squared"][place] = grown**2
            columns["shift_by_growth"][place] = shift * grown
    return columns


def own_drafts(writer: Writer, siblings: Sequence[Siblings], tokenizer: ChainTokenizer, *, table: Table) -> Columns:
    """Whole chains from the situation alone: `well_formed_own`, `revised_own`, and by the gold table `draft_opens` and
    `answer_opens` (1 opens, 0 closes, 0.5 leaves no trace) with `shift_own`; NaN where an act cannot be read."""
    prompts = [each.opening[0].told.prompt for each in siblings]
    runs = witness(writer, prompts, draft(writer, prompts, tokenizer), tokenizer)
    names = ("well_formed_own", "revised_own", "draft_opens", "answer_opens", "shift_own")
    columns = {name: np.full(len(siblings), np.nan) for name in names}
    for place, (each, run, said) in enumerate(zip(siblings, runs, answer(writer, runs, tokenizer), strict=True)):
        columns["well_formed_own"][place] = run.is_well_formed
        columns["revised_own"][place] = run.decision is Decision.REVISE
        gold = each.opening[0].gold
        before, after = (weight_of(tokenizer.decode(text), gold, table) for text in (run.draft, said))
        if before is not None:
            columns["draft_opens"][place] = opens(before)
        if after is not None:
            columns["answer_opens"][place] = opens(after)
        if before is not None and after is not None:
            columns["shift_own"][place] = after - before
    return columns


def answer(writer: Writer, runs: Sequence[Witnessed], tokenizer: ChainTokenizer) -> list[Ids]:
    """What the chain answers with: the draft, or a revision where it decided so."""
    revising = [run for run in runs if run.decision is Decision.REVISE]
    revisions = iter(revise(writer, revising, [run.witness for run in revising], tokenizer) if revising else ())
    return [next(revisions) if run.decision is Decision.REVISE else run.draft for run in runs]


def opens(weight: int) -> float:
    """1 where a weight opens, 0 where it closes, 0.5 where it leaves no trace."""
    return (float(np.sign(weight)) + 1) / 2


def growth(before: Ids, after: Ids) -> float:
    """How much longer an answer is than its draft: the logarithm of the ratio of tokens."""
    return math.log(max(1, len(after)) / max(1, len(before)))
