"""Laws of plain text: documents of the world and files in windows, as a base reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_chain.tokenizer import ChainTokenizer
from tear_training.plain_text import WINDOW, beginning, file_texts, world_texts
from tear_training.world import World


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


def test_documents_of_the_world_stand_between_their_marks(tokenizer: ChainTokenizer) -> None:
    texts = world_texts(World(3), tokenizer, split="test", count=3)
    assert [text[0] for text in texts] == [beginning(tokenizer)] * 3
    assert [text[-1] for text in texts] == [tokenizer.chain.end] * 3


def test_a_text_is_read_whole_in_windows(tmp_path: Path, tokenizer: ChainTokenizer) -> None:
    text = "It is raining on the roof. " * 200
    file = tmp_path / "text.txt"
    file.write_text(text, encoding="utf-8")
    windows = file_texts(file, tokenizer)
    assert len(windows) > 1
    assert all(len(window) <= 1 + WINDOW for window in windows)
    assert tokenizer.decode(token for window in windows for token in window[1:]) == text


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe"], ids=["empty", "blank", "no-text"])
def test_a_file_that_says_nothing_is_refused_by_name(content: bytes, tmp_path: Path, tokenizer: ChainTokenizer) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"text\.txt"):
        file_texts(file, tokenizer)
