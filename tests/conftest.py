from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.tokenizer import ChainTokenizer

ROOT = Path(__file__).parent.parent
NANO_BASE = ROOT / "training" / "nano" / "base"
NANO_ADAPTER = ROOT / "training" / "nano" / "adapter"


@pytest.fixture(scope="session")
def nano_base() -> Path:
    return NANO_BASE


@pytest.fixture(scope="session")
def nano_adapter() -> Path:
    return NANO_ADAPTER


@pytest.fixture(scope="session")
def tokenizer(nano_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(nano_base)
