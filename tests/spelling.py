"""Chains written out for tests: control tokens by name, everything else as text."""

from __future__ import annotations

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import DECISION_NAMES, DRAFT, FIELD_NAMES, WEIGHT_NAMES, WITNESS


def control_ids_by_name(tokenizer: ChainTokenizer) -> dict[str, int]:
    """`<draft>` … `<revise>` and `</s>`, as this tokenizer numbers them."""
    chain = tokenizer.chain
    return {
        DRAFT: chain.draft,
        WITNESS: chain.witness,
        **{FIELD_NAMES[field]: token for field, token in chain.fields.items()},
        **{WEIGHT_NAMES[weight]: token for weight, token in chain.weights.items()},
        **{DECISION_NAMES[decision]: token for decision, token in chain.decisions.items()},
        "</s>": chain.end,
    }


def spell(tokenizer: ChainTokenizer, *parts: str) -> list[int]:
    """Token ids of `parts`: a part that is a control token's name becomes that token, any other is text.

    >>> spell(tokenizer, "<who>", " a beginner", "<weight>", "<w+2>", "<keep>")
    """
    named = control_ids_by_name(tokenizer)
    ids: list[int] = []
    for part in parts:
        ids += [named[part]] if part in named else tokenizer.encode(part)
    return ids
