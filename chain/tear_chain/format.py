"""The chain format: one renderer for serving prompts and training examples.

    prompt <draft> text <witness> <who> text <impact> text <ripples> text <weight> <w-2> <revise> text </s>
    prompt <draft> text <witness> <who> text <impact> text <ripples> text <weight> <w+2> <keep> </s>

`prompt` is the conversation as mistral-common encodes it. Everything here is token ids: control tokens are
composed, never parsed from text, so no text can forge one. These are chains in the order that the server runs; `Order`
names the others, which can be learned and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from tear_chain.tokens import ChainTokens
from tear_chain.words import Decision, Field

FORMAT_VERSION = 1
"""Raised when a change makes earlier adapters unfit."""

Ids = tuple[int, ...]


class SegmentKind(StrEnum):
    """What a run of tokens is for, so that training can weigh it."""

    CONTEXT = "context"
    """Given, never learned: the prompt, the first marker, a marker after a missing scene field."""
    DRAFT = "draft"
    WITNESS = "witness"
    DECISION = "decision"
    REVISED = "revised"


class Order(StrEnum):
    """In which order a chain tells its parts; an adapter learns one."""

    DRAFT_WITNESS_REVISE = "draft_witness_revise"
    """`<draft> answer <witness> scene`, then `<keep>` or `<revise> better answer`."""
    WITNESS_AFTER = "witness_after"
    """`<draft> answer <witness> scene </s>`: nothing is decided, nothing revised."""
    WITNESS_FIRST = "witness_first"
    """`<witness> scene <draft> answer </s>`: what the first answer would do is foreseen, then one is given."""
    RESPOND = "respond"
    """`<draft> answer </s>`: one of two adapters on one base."""
    WITNESS = "witness"
    """`<draft> answer <witness> scene </s>`, of which the scene alone is learned: the other of the two."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens with one purpose."""

    kind: SegmentKind
    tokens: Ids


@dataclass(frozen=True, slots=True)
class SceneIds:
    """A consequence scene with its texts as token ids; a part that data leaves out is None."""

    who: Ids | None = None
    impact: Ids | None = None
    ripples: Ids | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class ChainIds:
    """One whole chain with its texts as token ids: what a training row becomes."""

    prompt: Ids
    draft: Ids
    scene: SceneIds
    decision: Decision | None
    """None where the row says nothing of it; the chain then ends with the scene."""
    revised: Ids | None


def draft_prompt(tokens: ChainTokens, prompt: Sequence[int]) -> Ids:
    """What the draft stage is asked with."""
    return (*prompt, tokens.draft)


def witness_prompt(tokens: ChainTokens, prompt: Sequence[int], draft: Sequence[int]) -> Ids:
    """What the witness stage is asked with; it extends the draft's prompt token for token."""
    return (*draft_prompt(tokens, prompt), *draft, tokens.witness)


def revised_prompt(tokens: ChainTokens, prompt: Sequence[int], draft: Sequence[int], witness: Sequence[int]) -> Ids:
    """What the revision is asked with; `witness` is the witness stage's output without its decision."""
    return (*witness_prompt(tokens, prompt, draft), *witness, tokens.decisions[Decision.REVISE])


def render(tokens: ChainTokens, chain: ChainIds, *, order: Order = Order.DRAFT_WITNESS_REVISE) -> list[Segment]:
    """The segments of one chain, in order; their tokens concatenated are the training sequence.

    A stage's closing marker belongs to that stage, since the model must learn to write it. A marker that
    follows a missing field is context: learning it would teach the model to leave the field out.
    """
    opening = Segment(SegmentKind.CONTEXT, draft_prompt(tokens, chain.prompt))
    draft = Segment(SegmentKind.DRAFT, (*chain.draft, tokens.witness))
    match order:
        case Order.DRAFT_WITNESS_REVISE:
            return [opening, draft, *_render_scene(tokens, chain.scene), *_render_decision(tokens, chain)]
        case Order.WITNESS_AFTER:
            return [opening, draft, *_render_scene(tokens, chain.scene, closing=tokens.end)]
        case Order.WITNESS_FIRST:
            asked = Segment(SegmentKind.CONTEXT, (*chain.prompt, tokens.witness))
            return [asked, *_render_scene(tokens, chain.scene, closing=tokens.draft), _render_answer(tokens, chain)]
        case Order.RESPOND:
            return [opening, _render_answer(tokens, chain)]
        case Order.WITNESS:
            asked = Segment(SegmentKind.CONTEXT, witness_prompt(tokens, chain.prompt, chain.draft))
            return [asked, *_render_scene(tokens, chain.scene, closing=tokens.end)]
        case _:
            assert_never(order)


def _render_answer(tokens: ChainTokens, chain: ChainIds) -> Segment:
    """The answer that is given where there is no draft before it: the better one, if data has one."""
    if chain.revised is None:
        return Segment(SegmentKind.DRAFT, (*chain.draft, tokens.end))
    return Segment(SegmentKind.REVISED, (*chain.revised, tokens.end))


def _render_decision(tokens: ChainTokens, chain: ChainIds) -> list[Segment]:
    if chain.decision is None:
        return []
    # Without a weight before it the decision would be learned in a place where serving never asks for it.
    kind = SegmentKind.DECISION if chain.scene.weight is not None else SegmentKind.CONTEXT
    match chain.decision:
        case Decision.KEEP:
            return [Segment(kind, (tokens.decisions[Decision.KEEP], tokens.end))]
        case Decision.REVISE:
            revise = Segment(kind, (tokens.decisions[Decision.REVISE],))
            if chain.revised is None:
                return [revise]
            return [revise, Segment(SegmentKind.REVISED, (*chain.revised, tokens.end))]
        case _:
            assert_never(chain.decision)


def _render_scene(tokens: ChainTokens, scene: SceneIds, *, closing: int | None = None) -> list[Segment]:
    bodies: list[tuple[Field, Ids | None]] = [
        (Field.WHO, scene.who),
        (Field.IMPACT, scene.impact),
        (Field.RIPPLES, scene.ripples),
        (Field.WEIGHT, None if scene.weight is None else (tokens.weights[scene.weight],)),
    ]
    segments: list[Segment] = []
    gap = False
    for field, body in bodies:
        if body is None:
            gap = True
            continue
        marker = (tokens.fields[field],)
        if gap:
            segments += [Segment(SegmentKind.CONTEXT, marker), Segment(SegmentKind.WITNESS, body)]
        else:
            segments.append(Segment(SegmentKind.WITNESS, marker + body))
        gap = False
    if closing is not None:
        segments.append(Segment(SegmentKind.CONTEXT if gap else SegmentKind.WITNESS, (closing,)))
    return segments
