"""The chain format: one renderer for serving prompts and training examples.

    prompt <draft> text <witness> <who> text <impact> text <ripples> text <weight> <w-2> <revise> text </s>
    prompt <draft> text <witness> <who> text <impact> text <ripples> text <weight> <w+2> <keep> </s>

`prompt` is the conversation as mistral-common encodes it. Everything here is token ids: control tokens are
composed, never parsed from text, so no text can forge one.
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


def render(tokens: ChainTokens, chain: ChainIds) -> list[Segment]:
    """The segments of one chain, in order; their tokens concatenated are the training sequence.

    A stage's closing marker belongs to that stage, since the model must learn to write it. A marker that
    follows a missing field is context: learning it would teach the model to leave the field out.
    """
    segments = [
        Segment(SegmentKind.CONTEXT, draft_prompt(tokens, chain.prompt)),
        Segment(SegmentKind.DRAFT, (*chain.draft, tokens.witness)),
        *_render_scene(tokens, chain.scene),
    ]
    if chain.decision is None:
        return segments
    # Without a weight before it the decision would be learned in a place where serving never asks for it.
    kind = SegmentKind.DECISION if chain.scene.weight is not None else SegmentKind.CONTEXT
    match chain.decision:
        case Decision.KEEP:
            segments.append(Segment(kind, (tokens.decisions[Decision.KEEP], tokens.end)))
        case Decision.REVISE:
            segments.append(Segment(kind, (tokens.decisions[Decision.REVISE],)))
            if chain.revised is not None:
                segments.append(Segment(SegmentKind.REVISED, (*chain.revised, tokens.end)))
        case _:
            assert_never(chain.decision)
    return segments


def _render_scene(tokens: ChainTokens, scene: SceneIds) -> list[Segment]:
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
    return segments
