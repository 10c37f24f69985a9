"""The tokens of a text with their log-probabilities, handed out as their text goes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tear_chain.events import Likely, ScoredToken
from tear_chain.tokenizer import ChainTokenizer


@dataclass(slots=True)
class _Entry:
    piece: bytes
    logprob: float
    likeliest: tuple[Likely, ...]


class Ledger:
    """Told of every token and then of the text that went out, it keeps both together.

    A character may take several tokens, and text may be held back for a stop string: a token is handed out when its
    last byte has gone out, and one whose text ends early is handed out shortened.
    """

    def __init__(self, tokenizer: ChainTokenizer, *, top: int) -> None:
        self._tokenizer = tokenizer
        self._top = top
        self._entries: deque[_Entry] = deque()
        self._unread: list[tuple[_Entry, int]] = []
        """Tokens that end within a character, and how many of their bytes belong to it."""
        self._held = b""
        self._handed_out = 0
        self._gone_out = 0

    def write(self, token: int, logprobs: Mapping[int, float], *, text: str, held: bytes) -> None:
        """Take a token, the text that it completed, and the bytes that the decoder holds since.

        `logprobs` has the token and the likeliest ones.
        """
        piece, read = self._tokenizer.piece(token), text.encode()
        entry = _Entry(piece, logprobs[token], self._likeliest(logprobs))
        if self._held + piece != read + held:
            # Bytes that are no UTF-8 stand in the text as a replacement character: it is this token's.
            for earlier, size in self._unread:
                earlier.piece = earlier.piece[: len(earlier.piece) - size]
            entry.piece = read + held
        earlier_unread = [] if read else self._unread
        self._unread = [*earlier_unread, (entry, len(held) if read else len(piece))] if held else []
        self._held = held
        self._entries.append(entry)

    def hand_out(self, text: str, *, is_last: bool) -> tuple[ScoredToken, ...]:
        """The tokens whose text is whole now that `text` has gone out; after the last text no others come."""
        self._gone_out += len(text.encode())
        found: list[_Entry] = []
        while self._entries and self._handed_out + len(self._entries[0].piece) <= self._gone_out:
            found.append(self._entries.popleft())
            self._handed_out += len(found[-1].piece)
        if is_last and self._entries and self._handed_out < self._gone_out:
            entry = self._entries.popleft()
            found.append(_Entry(entry.piece[: self._gone_out - self._handed_out], entry.logprob, entry.likeliest))
        return tuple(ScoredToken(entry.piece, entry.logprob, entry.likeliest) for entry in found)

    def _likeliest(self, logprobs: Mapping[int, float]) -> tuple[Likely, ...]:
        ranked = sorted(logprobs.items(), key=lambda item: -item[1])[: self._top]
        return tuple(
            Likely(self._tokenizer.name(token), self._tokenizer.piece(token), logprob) for token, logprob in ranked
        )
