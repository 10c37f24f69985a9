"""Control-token slots in a base's `tekken.json`: the chain's tokens take names that nothing else has taken."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from tear_chain.errors import BaseError

PREFERRED_PLACE = 0.9
"""Slots near nine tenths of the special range: vendors name theirs from below, and fill up the very last ones."""


@dataclass(frozen=True, slots=True)
class ClaimedTekken:
    """A tokenizer file with names claimed in it."""

    content: Mapping[str, Any]
    """The JSON of `tekken.json`."""
    slots: Mapping[str, int]
    """The claimed names and their ids."""
    named: Mapping[str, int]
    """Names that were there before."""
    fillers: tuple[int, ...]
    """Ids that are still nobody's."""
    special_count: int
    vocab_size: int


def read_tekken(path: Path) -> dict[str, Any]:
    """Read `tekken.json`; `BaseError` names the file."""
    if not path.is_file():
        raise BaseError(f"{path} does not exist. The chain needs the base's Tekken tokenizer beside its weights.")
    try:
        content = json.loads(path.read_bytes())
        config = content["config"]
        int(config["default_num_special_tokens"]), int(config["default_vocab_size"]), str(config["version"])
    except (ValueError, KeyError, TypeError) as exc:
        raise BaseError(f"{path} is not a Tekken tokenizer: {exc or type(exc).__name__}.") from exc
    return dict(content)


def claim_slots(tekken: Mapping[str, Any], names: Sequence[str], *, where: str) -> ClaimedTekken:
    """Give `names` consecutive slots in the upper half of the special range that bear only a filler's name.

    Everything else stays as it is. A file that lists fewer tokens than slots is listed out in full, since
    fillers are known by their place.
    """
    count = int(tekken["config"]["default_num_special_tokens"])
    listed = tekken.get("special_tokens")
    if listed is None:
        # Up to version 7 the file may leave its special tokens to mistral-common.
        listed = [dict(token) for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS]
    if [token.get("rank") for token in listed] != list(range(len(listed))) or len(listed) > count:
        raise BaseError(f"{where} lists special tokens whose ranks are not 0 to {count - 1} in order.")
    special = [dict(token) for token in listed]
    special += [{"rank": rank, "token_str": _filler(rank), "is_control": True} for rank in range(len(special), count)]
    if taken := sorted({str(token["token_str"]) for token in special} & set(names)):
        raise BaseError(f"{where} already has {', '.join(taken)}: this base is prepared already, use it as it is.")
    free = {token["rank"] for token in special if token["token_str"] == _filler(token["rank"])}
    starts = [
        start
        for start in range(count // 2, count - len(names) + 1)
        if all(start + place in free for place in range(len(names)))
    ]
    if not starts:
        raise BaseError(
            f"{where} has no {len(names)} consecutive unnamed slots in the upper half of its {count} special tokens."
        )
    start = min(starts, key=lambda place: abs(place - PREFERRED_PLACE * count))
    slots = {name: start + place for place, name in enumerate(names)}
    for name, rank in slots.items():
        special[rank] = {"rank": rank, "token_str": name, "is_control": True}
    content = copy.copy(dict(tekken))
    content["special_tokens"] = special
    return ClaimedTekken(
        content=content,
        slots=slots,
        named={str(token["token_str"]): int(token["rank"]) for token in special if token["rank"] not in free},
        fillers=tuple(sorted(free - set(slots.values()))),
        special_count=count,
        vocab_size=int(tekken["config"]["default_vocab_size"]),
    )


def _filler(rank: int) -> str:
    return Tekkenizer.SPECIAL_TOKEN_TEMPLATE.format(id=rank)
