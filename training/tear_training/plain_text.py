"""Plain text as a base reads it: documents of its world, or a file in windows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tear_chain.conversation import Conversation
from tear_chain.errors import DataError
from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_training.world import Split, World

WINDOW = 512
"""Tokens of a text that are read at a time; each window begins anew."""
MAX_TEXT_BYTES = 4 << 20


def world_texts(world: World, tokenizer: ChainTokenizer, *, split: Split, count: int) -> list[Ids]:
    """Documents of a split as nano's pretraining tells them; it never saw a situation of any split but `train`."""
    begin, end = beginning(tokenizer), tokenizer.chain.end
    return [(begin, *tokenizer.encode(text), end) for text in islice(world.documents(split=split), count)]


def file_texts(path: Path, tokenizer: ChainTokenizer, *, window: int = WINDOW) -> list[Ids]:
    """A plain text file in windows; `DataError` names one that cannot be read, is too long or says nothing."""
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise DataError(f"{path} is longer than {MAX_TEXT_BYTES} bytes: a part of it will do.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} cannot be read as text in UTF-8: {exc}.") from exc
    if not text.strip():
        raise DataError(f"{path} holds no text.")
    return list(_windows(tokenizer.encode(text), begin=beginning(tokenizer), window=window))


def beginning(tokenizer: ChainTokenizer) -> int:
    """`<s>`, which begins every document and every conversation."""
    return tokenizer.encode_conversation(Conversation.asking("."))[0]


def _windows(tokens: Ids, *, begin: int, window: int) -> Iterator[Ids]:
    for start in range(0, len(tokens), window):
        yield (begin, *tokens[start : start + window])
