"""A training row as token ids with a purpose each: what is learned from it, and what is only given."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import DataError, RequestError
from tear_chain.format import ChainIds, Ids, Order, SceneIds, SegmentKind, render
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Field
from tear_training.loss import KINDS
from tear_training.rows import Row

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Example:
    """One chain: `kinds[i]` says what `tokens[i]` is for, as a place in `KINDS`."""

    row_id: str
    tokens: Ids
    kinds: tuple[int, ...]


class Examples(Dataset[Item], Generic[Item]):
    """Examples, or micro-batches of them, in the order in which they are to be learned."""

    def __init__(self, examples: Sequence[Item]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, place: int) -> Item:
        return self._examples[place]


def decide(row: Row) -> Decision | None:
    """What should become of the row's answer; None where nobody judged it."""
    if row.consequence.weight is None:
        return None
    return Decision.REVISE if row.wounding else Decision.KEEP


def is_gentle(row: Row) -> bool:
    """Whether the row's answer opens the person, so that a model may learn to give it."""
    weight = row.consequence.weight
    return row.component == "warmth" if weight is None else weight > 0


def encode_row(
    row: Row,
    tokenizer: ChainTokenizer,
    *,
    context: int,
    fields: Collection[Field] = tuple(Field),
    with_decision: bool = True,
    with_draft: bool = True,
    allow_harmful_targets: bool = False,
    order: Order = Order.DRAFT_WITNESS_REVISE,
    with_scene: bool = True,
) -> Example:
    """One row as an example, with those parts of its scene that `fields` names, told in `order`.

    Without a scene the decision follows `<witness>` at once, and is learned there.

    An answer that is not gentle becomes context, to be witnessed and never learned. Without `with_draft` every answer
    does, all but the marker that ends it: where an answer ends is learned then, and none of its words.

    `DataError` names a row that does not fit into `context` positions, or whose turns are out of order.
    """
    scene, decision = row.consequence, decide(row) if with_decision else None
    fields = fields if with_scene else ()
    chain = ChainIds(
        prompt=tokenizer.encode_conversation(_conversation(row)),
        draft=tokenizer.encode(row.response.strip()),
        scene=SceneIds(
            who=_encode(tokenizer, scene.who) if Field.WHO in fields else None,
            impact=_encode(tokenizer, scene.impact) if Field.IMPACT in fields else None,
            ripples=_encode(tokenizer, scene.ripples) if Field.RIPPLES in fields else None,
            weight=scene.weight if Field.WEIGHT in fields else None,
        ),
        decision=decision,
        revised=_encode(tokenizer, row.revised) if decision is Decision.REVISE else None,
    )
    may_say = is_gentle(row) or allow_harmful_targets
    tokens: list[int] = []
    kinds: list[int] = []
    for segment in render(tokenizer.chain, chain, order=order):
        kind, given = segment.kind, 0
        if kind is SegmentKind.DRAFT and not with_draft:
            given = len(segment.tokens) - 1
        elif kind is SegmentKind.DRAFT and not may_say:
            given = len(segment.tokens)
        elif not with_scene and segment.tokens[0] in tokenizer.chain.decisions.values():
            kind = SegmentKind.DECISION
        tokens += segment.tokens
        kinds += [0] * given + [KINDS.index(kind)] * (len(segment.tokens) - given)
    if len(tokens) > context:
        raise DataError(f"Row {row.id} has {len(tokens)} tokens; the base's context is {context}.")
    return Example(row.id, tuple(tokens), tuple(kinds))


class Batch(TypedDict):
    """Examples, each shifted by one: at `inputs[b, t]` the model must say `targets[b, t]`. All are (B, T).

    Side by side, shorter ones are filled up on the right with kind 0: under causal attention nothing before ever
    sees the filling, so padding is exact and needs no mask. Or end to end in one row, where `positions` begin anew
    with each example and so tell attention where it may not look.
    """

    inputs: Tensor
    targets: Tensor
    kinds: Tensor
    positions: Tensor
    """Each token's place in its own example."""


def collate(examples: Sequence[Example], *, pad: int) -> Batch:
    """Put examples side by side."""
    longest = max(len(example.tokens) for example in examples) - 1
    inputs = torch.full((len(examples), longest), pad)
    targets = torch.full((len(examples), longest), pad)
    kinds = torch.zeros((len(examples), longest), dtype=torch.long)
    for place, example in enumerate(examples):
        length = len(example.tokens) - 1
        inputs[place, :length] = torch.tensor(example.tokens[:-1])
        targets[place, :length] = torch.tensor(example.tokens[1:])
        kinds[place, :length] = torch.tensor(example.kinds[1:])
    positions = torch.arange(longest).repeat(len(examples), 1)
    return Batch(inputs=inputs, targets=targets, kinds=kinds, positions=positions)


def collate_packed(examples: Sequence[Example]) -> Batch:
    """Lay examples end to end."""
    return Batch(
        inputs=torch.tensor([[token for example in examples for token in example.tokens[:-1]]]),
        targets=torch.tensor([[token for example in examples for token in example.tokens[1:]]]),
        kinds=torch.tensor([[kind for example in examples for kind in example.kinds[1:]]]),
        positions=torch.tensor([[place for example in examples for place in range(len(example.tokens) - 1)]]),
    )


def _encode(tokenizer: ChainTokenizer, text: str | None) -> Ids | None:
    return None if text is None else tokenizer.encode(text.strip())


def _conversation(row: Row) -> Conversation:
    try:
        return Conversation.of([Message(Role(turn.role), turn.content) for turn in row.conversation])
    except RequestError as exc:
        raise DataError(f"Row {row.id}: {exc.message}") from exc
