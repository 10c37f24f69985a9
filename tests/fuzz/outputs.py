"""Model outputs that leave the chain's form, drawn from a seed; and well-formed ones cut at every place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from fuzz.tape import Tape
from spelling import control_ids_by_name

from tear_chain.tokenizer import ChainTokenizer

SEED = 20261122
PIECES = (
    "Slow hands.", " dull ears", " She closes the lid.", " Silence,", "\n", " ", "  \n ", "Thirty days make a start!",
    " 👩‍👩‍👧‍👦", "漢字", " é", " مرحبا", "e\u0301", ".", "STOP", " a", "aa", "data: [DONE]\n\n", '"}', "\\", "\u2028",
)  # fmt: skip
SPELLED = ("<witness>", "</s>", "<revise>", "<w-3>", "[INST]", "<draft>", "<SPECIAL_20>")
"""Text, not tokens: it may be said like any other."""
STOPS = ("STOP", "hands", "a", "字", "é", "aaa", "👩‍👧", "\n", "never said")


@dataclass(frozen=True)
class Case:
    """One output and how it is asked for."""

    name: str
    tape: Tape
    sizes: tuple[int, ...] = (1,)
    fail_at: int | None = None
    stop: tuple[str, ...] = ()
    limit: int | None = None
    threshold: float | None = None
    draft: str | None = None
    spells: bool = False
    """Whether a marker's spelling is among its text."""
    is_hidden: bool = False
    """Whether it is asked for once more with its reasoning hidden."""
    is_scored: bool = False
    """Whether it is asked for once more with log-probabilities."""


class Writer:
    """Draws outputs for one tokenizer."""

    def __init__(self, tokenizer: ChainTokenizer) -> None:
        self._tokenizer = tokenizer
        self._named = control_ids_by_name(tokenizer)
        self._control = sorted(tokenizer.control_ids)
        self._bytes = [tokenizer.encode(character) for character in ("👩", "漢", "é", "ع")]
        """Characters of several tokens, whose parts are no text."""

    def case(self, number: int) -> Case:
        """The malformed output of that number."""
        draw = random.Random(f"{SEED}-{number}")
        spells = draw.random() < 0.1
        tokens = self._soup(draw) if draw.random() < 0.15 else self._chain(draw, spells=spells)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 3, 5))):
            tokens = self._damage(draw, tokens)
        filler = draw.choice(
            (
                (self._named["</s>"],),
                tuple(self._tokenizer.encode(" on and on")),
                (*self._tokenizer.encode(" so"), draw.choice(self._control)),
            )
        )
        return Case(
            name=f"case {number}",
            tape=Tape(tuple(tokens), filler, self._tokenizer.encode("Oh")[0]),
            sizes=draw.choice(((1,), (2,), (3,), (7,), (1000,), (1, 2, 3), (0, 1, 5))),
            fail_at=draw.randrange(1, 40) if draw.random() < 0.03 else None,
            stop=tuple(draw.sample(STOPS, draw.randint(1, 4))) if draw.random() < 0.3 else (),
            limit=draw.choice((16, 40, 144, 150, 170, 200, 260)) if draw.random() < 0.3 else None,
            threshold=draw.choice((0.0, 0.5, 1.0)) if draw.random() < 0.4 else None,
            draft=draw.choice(PIECES[:4]) if draw.random() < 0.15 else None,
            spells=spells,
            is_hidden=draw.random() < 0.1,
            is_scored=draw.random() < 0.3,
        )

    def cuts(self) -> Iterator[Case]:
        """A chain in good form: ended at every place, cut by a limit at every place, in parts of every size."""
        draw = random.Random(SEED)
        tokens = tuple(self._chain(draw, spells=False))
        other = self._tokenizer.encode("Oh")[0]
        end = (self._named["</s>"],)
        for place in range(len(tokens) + 1):
            yield Case(f"ended at {place}", Tape(tokens[:place], end, other), sizes=(1 + place % 8,), is_scored=True)
            yield Case(f"torn at {place}", Tape(tokens, end, other), sizes=(1 + place % 8,), fail_at=place)
            yield Case(
                f"limited to {140 + place}", Tape(tokens, tokens, other), sizes=(1 + place % 8,), limit=140 + place
            )
            yield Case(f"limited to {1 + place}", Tape(tokens, tokens, other), sizes=(1 + place % 8,), limit=1 + place)
        for size in range(1, len(tokens) + 2):
            yield Case(f"in parts of {size}", Tape(tokens, end, other), sizes=(size,), threshold=0.0)

    def _text(self, draw: random.Random, *, spells: bool = False) -> list[int]:
        pieces = (*PIECES, *SPELLED) if spells else PIECES
        tokens: list[int] = []
        for _ in range(draw.randint(0, 4)):
            tokens += self._tokenizer.encode(draw.choice(pieces))
        return tokens

    def _chain(self, draw: random.Random, *, spells: bool) -> list[int]:
        named = self._named
        tokens = [*self._text(draw, spells=spells), *self._tokenizer.encode("Hm."), named["<witness>"]]
        for marker in ("<who>", "<impact>", "<ripples>"):
            tokens += [named[marker], *self._text(draw, spells=spells)]
        tokens += [named["<weight>"], named[draw.choice(("<w-3>", "<w-1>", "<w+0>", "<w+2>"))]]
        if draw.random() < 0.35:
            return [*tokens, named["<keep>"], named["</s>"]]
        return [*tokens, named["<revise>"], *self._text(draw, spells=spells), named["</s>"]]

    def _soup(self, draw: random.Random) -> list[int]:
        chain = list(self._named.values())
        return [
            token
            for _ in range(draw.randint(0, 30))
            for token in ([draw.choice(chain)] if draw.random() < 0.5 else self._text(draw)[:3])
        ]

    def _damage(self, draw: random.Random, tokens: list[int]) -> list[int]:
        place = draw.randint(0, len(tokens))
        stop = min(len(tokens), place + draw.randint(1, 6))
        match draw.randrange(9):
            case 0:  # a token is missing
                return tokens[:place] + tokens[place + 1 :]
            case 1:  # a run of them
                return tokens[:place] + tokens[stop:]
            case 2:  # something comes twice
                return tokens[:stop] + tokens[place:]
            case 3:  # a marker where none belongs
                return [*tokens[:place], draw.choice(list(self._named.values())), *tokens[place:]]
            case 4:  # a control token that is not the chain's
                return [*tokens[:place], draw.choice(self._control), *tokens[place:]]
            case 5:  # cut short
                return tokens[:place]
            case 6:  # part of a character
                letter = draw.choice(self._bytes)
                return [*tokens[:place], *letter[: draw.randint(1, len(letter))], *tokens[place:]]
            case 7:  # a chain within the chain
                return [*tokens[:place], *self._chain(draw, spells=False), *tokens[place:]]
            case _:  # two tokens have changed places
                if len(tokens) < 2:
                    return tokens
                one, two = draw.sample(range(len(tokens)), 2)
                tokens[one], tokens[two] = tokens[two], tokens[one]
                return tokens
