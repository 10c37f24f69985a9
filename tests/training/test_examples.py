"""Laws of examples: what is learned from a row, and what is only given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tear_chain.errors import DataError
from tear_chain.format import Order, SegmentKind
from tear_chain.tokenizer import ChainTokenizer
from tear_training.examples import Example, collate, encode_row
from tear_training.loss import KINDS
from tear_training.rows import Row

SCENE = {"who": "A tired father.", "impact": "He breathed out.", "ripples": "He slept.", "weight": 2}
WOUND = {"who": "A tired father.", "impact": "He went quiet.", "ripples": "He asked nobody.", "weight": -2}


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


def row(consequence: dict[str, Any], **changes: Any) -> Row:
    values = {
        "id": "r1",
        "situation_id": "s1",
        "input": "I am so tired.",
        "response": "Rest a while.",
        "consequence": consequence,
        "component": "consequence",
        "difficulty": "obvious",
        "culture": "unspecified",
        "language": "en",
        "source": "test",
        "license": "Apache-2.0",
        "provenance": {"kind": "curated", "generator": "test"},
    }
    return Row.model_validate(values | changes)


def learned(example: Example, tokenizer: ChainTokenizer, kind: SegmentKind) -> str:
    ids = [token for token, k in zip(example.tokens, example.kinds, strict=True) if KINDS[k] is kind]
    return tokenizer.decode(ids)


def test_a_gentle_draft_is_learned_and_kept(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(SCENE), tokenizer, context=256)
    assert learned(example, tokenizer, SegmentKind.DRAFT) == "Rest a while."
    assert example.tokens[-2:] == (tokenizer.chain.decisions["keep"], tokenizer.chain.end)  # type: ignore[index]


def test_a_wounding_draft_is_context_and_its_revision_is_learned(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(WOUND, response="Stop it.", revised="Rest."), tokenizer, context=256)
    assert learned(example, tokenizer, SegmentKind.DRAFT) == ""
    assert "Stop it." in learned(example, tokenizer, SegmentKind.CONTEXT)
    assert learned(example, tokenizer, SegmentKind.REVISED) == "Rest."


@pytest.mark.parametrize("weight", [-3, -1, 0], ids=str)
def test_no_answer_that_does_not_open_is_ever_a_target(weight: int, tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(WOUND | {"weight": weight}), tokenizer, context=256)
    assert KINDS.index(SegmentKind.DRAFT) not in example.kinds


def test_harmful_targets_need_the_flag(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(WOUND, response="Stop it."), tokenizer, context=256, allow_harmful_targets=True)
    assert learned(example, tokenizer, SegmentKind.DRAFT) == "Stop it."


def test_the_scene_is_the_consequence(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(WOUND), tokenizer, context=256)
    assert learned(example, tokenizer, SegmentKind.WITNESS) == "A tired father.He went quiet.He asked nobody."


def test_an_unjudged_answer_has_no_decision(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row({"impact": "He breathed out."}), tokenizer, context=256)
    assert KINDS.index(SegmentKind.DECISION) not in example.kinds
    assert KINDS.index(SegmentKind.DRAFT) not in example.kinds


def test_a_pass_may_end_with_the_scene(tokenizer: ChainTokenizer) -> None:
    example = encode_row(row(WOUND, revised="Rest."), tokenizer, context=256, with_decision=False)
    assert example.tokens[-1] == tokenizer.chain.weights[-2]


def test_the_prompt_is_the_one_that_serving_sends(tokenizer: ChainTokenizer) -> None:
    from tear_chain.conversation import Conversation
    from tear_chain.format import witness_prompt

    given = witness_prompt(
        tokenizer.chain,
        tokenizer.encode_conversation(Conversation.asking("I am so tired.")),
        tokenizer.encode("Rest a while."),
    )
    assert encode_row(row(SCENE), tokenizer, context=256).tokens[: len(given)] == given


def test_a_row_beyond_the_context_is_named(tokenizer: ChainTokenizer) -> None:
    with pytest.raises(DataError, match="r1"):
        encode_row(row(SCENE), tokenizer, context=20)


def test_turns_out_of_order_are_named(tokenizer: ChainTokenizer) -> None:
    twice = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    with pytest.raises(DataError, match="r1"):
        encode_row(row(SCENE, input=None, messages=twice), tokenizer, context=256)


def test_collation_shifts_by_one_and_fills_with_nothing_to_learn() -> None:
    batch = collate([Example("a", (5, 6, 7), (0, 1, 2)), Example("b", (8, 9), (0, 3))], pad=2)
    assert torch.equal(batch["inputs"], torch.tensor([[5, 6], [8, 2]]))
    assert torch.equal(batch["targets"], torch.tensor([[6, 7], [9, 2]]))
    assert torch.equal(batch["kinds"], torch.tensor([[1, 2], [3, 0]]))


@pytest.mark.parametrize("order", list(Order))
def test_no_order_learns_an_answer_that_wounds(order: Order, tokenizer: ChainTokenizer) -> None:
    for revised in ("Rest.", None):
        example = encode_row(row(WOUND, response="Stop it.", revised=revised), tokenizer, context=256, order=order)
        assert learned(example, tokenizer, SegmentKind.DRAFT) == ""


LEARNED = {
    Order.DRAFT_WITNESS_REVISE: ("Rest.", "A tired father.He went quiet.He asked nobody."),
    Order.WITNESS_AFTER: ("", "A tired father.He went quiet.He asked nobody."),
    Order.WITNESS_FIRST: ("Rest.", "A tired father.He went quiet.He asked nobody."),
    Order.RESPOND: ("Rest.", ""),
    Order.WITNESS: ("", "A tired father.He went quiet.He asked nobody."),
}


@pytest.mark.parametrize(("order", "expected"), LEARNED.items(), ids=list(LEARNED))
def test_what_each_order_learns_of_a_wounding_row(
    order: Order, expected: tuple[str, str], tokenizer: ChainTokenizer
) -> None:
    example = encode_row(row(WOUND, response="Stop it.", revised="Rest."), tokenizer, context=256, order=order)
    found = [learned(example, tokenizer, kind) for kind in (SegmentKind.REVISED, SegmentKind.WITNESS)]
    assert tuple(found) == expected


def test_without_decisions_an_order_that_only_answers_learns_no_revision(tokenizer: ChainTokenizer) -> None:
    wound = row(WOUND, response="Stop it.", revised="Rest.")
    example = encode_row(wound, tokenizer, context=256, with_decision=False, order=Order.RESPOND)
    assert not any(example.kinds)
