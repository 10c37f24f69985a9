"""Rehearsal: plain text that is learned beside the rows, so that a base keeps what it could do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tear_chain.errors import DataError
from tear_chain.format import Ids
from tear_chain.manifest import DataSource
from tear_chain.tokenizer import ChainTokenizer
from tear_training.config import Pass, Rehearsal, TrainConfig
from tear_training.examples import Example
from tear_training.loss import KINDS, REHEARSAL
from tear_training.plain_text import file_texts, world_texts
from tear_training.rows import UNSTATED
from tear_training.world import World

_WORLD_LICENSE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Texts:
    """All that there is to rehearse, and the records of it for the manifest."""

    examples: tuple[Example, ...] = ()
    records: tuple[DataSource, ...] = ()

    @property
    def longest(self) -> int:
        """Tokens of the longest; 0 where there is nothing to rehearse."""
        return max((len(example.tokens) for example in self.examples), default=0)


def read_texts(rehearsal: Rehearsal | None, tokenizer: ChainTokenizer, *, folder: Path, context: int) -> Texts:
    """The texts of a run, none without `rehearsal`; a relative file starts at `folder`.

    Raises `DataError` where a file cannot be used, or a text does not fit into `context` positions.
    """
    if rehearsal is None:
        return Texts()
    if rehearsal.world is not None:
        world = World(rehearsal.world.seed)
        found = world_texts(world, tokenizer, split="train", count=rehearsal.world.documents)
        name, license_, provenance = f"documents of world seed {world.seed} train", _WORLD_LICENSE, "procedural"
    else:
        assert rehearsal.file is not None, "a rehearsal has one of the two"
        found = file_texts(folder / rehearsal.file, tokenizer, window=rehearsal.window)
        name, license_, provenance = f"{rehearsal.file.name} in windows", rehearsal.license or UNSTATED, UNSTATED
    examples = tuple(_example(place, text) for place, text in enumerate(found))
    record = DataSource(
        name=name, sha256=_digest(found), rows=len(found), license=license_, provenance=f"plain text, {provenance}"
    )
    texts = Texts(examples, (record,))
    if texts.longest > context:
        raise DataError(f"{name}: a text has {texts.longest} tokens; the base's context is {context}. Lower window.")
    return texts


def choose_texts(texts: Texts, pass_: Pass, config: TrainConfig, *, steps: int) -> list[Example]:
    """The texts of a pass in their order, as many to each step: seeded, and every one before any comes twice."""
    # Drawn apart from the rows: with and without rehearsal a pass has the same rows in the same order.
    rng = Random(f"{config.seed}/{pass_.name}/rehearsal")  # noqa: S311 - not for secrets
    wanted = steps * config.texts_per_step if pass_.rehearses else 0
    order: list[Example] = []
    while len(order) < wanted:
        order += rng.sample(texts.examples, len(texts.examples))
    return order[:wanted]


def _example(place: int, text: Ids) -> Example:
    return Example(f"{place} of the texts to rehearse", text, (0, *(KINDS.index(REHEARSAL),) * (len(text) - 1)))


def _digest(texts: Sequence[Ids]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(" ".join(map(str, text)).encode() + b"\n")
    return digest.hexdigest()
