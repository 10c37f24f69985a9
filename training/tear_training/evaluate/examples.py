"""A few answers drawn at random, in words: what was said, what the model foresaw, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.behaviour import answer
from tear_training.evaluate.foreseen import ANSWERS
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.report import Example
from tear_training.evaluate.runs import Witnessed
from tear_training.evaluate.writer import Writer

EXAMPLES = 4


def examples(
    writer: Writer,
    siblings: Sequence[Siblings],
    foreseen: Sequence[Sequence[Witnessed]],
    tokenizer: ChainTokenizer,
    *,
    seed: int,
    count: int = EXAMPLES,
) -> tuple[Example, ...]:
    """`count` situations with one of their four answers each, drawn by `seed` alone and by nothing that was found."""
    rng = Random(f"{seed}/examples")  # noqa: S311 - repeatable, not secret
    drawn = [
        (place, rng.randrange(len(ANSWERS))) for place in rng.sample(range(len(siblings)), min(count, len(siblings)))
    ]
    runs = [foreseen[place][which] for place, which in drawn]
    return tuple(
        _example(siblings[place], ANSWERS[which], which, run, tokenizer.decode(said))
        for (place, which), run, said in zip(drawn, runs, answer(writer, runs, tokenizer), strict=True)
    )


def _example(each: Siblings, name: str, which: int, run: Witnessed, said: str) -> Example:
    supplied, scene = each.all[which], run.scene
    row = supplied.told.row
    return Example(
        id=row.id,
        column=name,
        situation=row.conversation[-1].content,
        draft=row.response,
        gold=supplied.gold.weight,
        who=scene.who,
        impact=scene.impact,
        ripples=scene.ripples,
        weight=scene.weight,
        decision=None if run.decision is None else run.decision.value,
        answer=said,
    )
