from __future__ import annotations

import pytest

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import DESCRIPTIONS, TOKEN_NAMES, ChainTokens


def test_names_are_the_format_and_their_order_is_the_order_of_slots() -> None:
    # Prepared bases and manifests on disk carry exactly this: a change here needs a new FORMAT_VERSION.
    names = (
        *("<draft>", "<witness>", "<who>", "<impact>", "<ripples>", "<weight>"),
        *("<w-3>", "<w-2>", "<w-1>", "<w+0>", "<w+1>", "<w+2>", "<w+3>"),
        *("<keep>", "<revise>"),
    )
    assert names == TOKEN_NAMES


def test_every_name_has_describing_words_of_its_own() -> None:
    assert tuple(DESCRIPTIONS) == TOKEN_NAMES
    assert len(set(DESCRIPTIONS.values())) == len(TOKEN_NAMES)


def test_every_name_and_the_end_are_looked_up_once() -> None:
    asked: list[str] = []

    def find(name: str) -> int:
        asked.append(name)
        return len(asked)

    ChainTokens.look_up(find)
    assert sorted(asked) == sorted([*TOKEN_NAMES, "</s>"])


def test_a_name_that_the_base_lacks_is_told_by_the_base() -> None:
    def find(name: str) -> int:
        raise ValueError(f"no {name} here")

    with pytest.raises(ValueError, match="no <draft> here"):
        ChainTokens.look_up(find)


def test_a_base_gives_each_name_an_id_of_its_own_among_the_control_tokens(tokenizer: ChainTokenizer) -> None:
    chain = tokenizer.chain
    ids = [
        *(chain.draft, chain.witness, chain.end),
        *chain.fields.values(),
        *chain.weights.values(),
        *chain.decisions.values(),
    ]
    assert len(set(ids)) == len(TOKEN_NAMES) + 1
    assert set(ids) <= tokenizer.control_ids
