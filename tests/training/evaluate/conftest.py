"""A few situations of the world, read with the tiny base's tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.items import Siblings, read_world
from tear_training.world import World


@pytest.fixture(scope="session")
def words_of(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


@pytest.fixture(scope="session")
def siblings(words_of: ChainTokenizer) -> list[Siblings]:
    return read_world(World(3), words_of, count=24)
