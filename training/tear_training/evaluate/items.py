"""What is asked about: situations of the world with four answers each, told in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.format import ChainIds, Ids, SceneIds, render, witness_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Field
from tear_training.evaluate.scorer import Question
from tear_training.rows import Row
from tear_training.world import Gold, UnseenSplit, World

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Told:
    """One answer to one situation, and the scene of what it did, as tokens."""

    row: Row
    prompt: Ids
    """The conversation alone."""
    draft: Ids
    asked: Ids
    """All that stands before the scene: conversation, answer, and the marker that asks for the scene."""
    scene: Ids

    def after(self, marker: int) -> Ids:
        """What follows that marker in the scene."""
        return self.scene[self.scene.index(marker) + 1 :]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the world with its gold."""

    told: Told
    gold: Gold


@dataclass(frozen=True, slots=True)
class Siblings:
    """One situation and four answers that differ in the act alone: two open (`gold.weight` >= 0), two close."""

    opening: tuple[Answer, Answer]
    closing: tuple[Answer, Answer]

    @property
    def all(self) -> tuple[Answer, ...]:
        """The four, opening ones first."""
        return self.opening + self.closing

    @property
    def same(self) -> tuple[tuple[Answer, Answer], tuple[Answer, Answer]]:
        """The pairs of one valence."""
        return self.opening, self.closing

    @property
    def edits(self) -> tuple[tuple[Answer, Answer], tuple[Answer, Answer]]:
        """Two minimal edits: of each an answer that opens, and one that closes."""
        return (self.opening[0], self.closing[0]), (self.opening[1], self.closing[1])

    @property
    def turns(self) -> bool:
        """Whether the first edit leaves a trace on both sides."""
        return self.opening[0].gold.weight > 0 > self.closing[0].gold.weight


def read_world(world: World, tokenizer: ChainTokenizer, *, count: int, split: UnseenSplit = "test") -> list[Siblings]:
    """`count` situations of one split of the world."""
    found = []
    for cases in world.siblings(split=split, count=count):
        first, second, third, fourth = (Answer(tell(row, tokenizer), gold) for row, gold in cases)
        found.append(Siblings((first, second), (third, fourth)))
    return found


def tell(row: Row, tokenizer: ChainTokenizer) -> Told:
    """A row as tokens; whatever its scene leaves out is left out here too."""
    turns = [Message(Role(turn.role), turn.content) for turn in row.conversation]
    prompt = tokenizer.encode_conversation(Conversation.of(turns))
    draft, scene = tokenizer.encode(row.response.strip()), row.consequence
    chain = ChainIds(
        prompt=prompt,
        draft=draft,
        scene=SceneIds(
            who=None if scene.who is None else tokenizer.encode(scene.who.strip()),
            impact=tokenizer.encode(scene.impact.strip()),
            ripples=None if scene.ripples is None else tokenizer.encode(scene.ripples.strip()),
            weight=scene.weight,
        ),
        decision=None,
        revised=None,
    )
    asked = witness_prompt(tokenizer.chain, prompt, draft)
    whole = tuple(token for segment in render(tokenizer.chain, chain) for token in segment.tokens)
    return Told(row, prompt, draft, asked, whole[len(asked) :])


def elsewhere(answer: Answer, other: Answer, tokenizer: ChainTokenizer) -> Told:
    """The same answer and scene with another's situation before them: what the answer tells by itself."""
    told = answer.told
    asked = witness_prompt(tokenizer.chain, other.told.prompt, told.draft)
    return replace(told, prompt=other.told.prompt, asked=asked)


def shifted(items: Sequence[ItemT]) -> list[ItemT]:
    """For each item another one, each taken once: half way round."""
    half = max(1, len(items) // 2)
    return [*items[half:], *items[:half]]


def scenes_after(told: Sequence[Told]) -> list[Question]:
    """After each answer, the scenes of all of them."""
    return [Question(each.asked, tuple(other.scene for other in told)) for each in told]


def ripples_after(told: Sequence[Told], halves: Sequence[Ids], tokenizer: ChainTokenizer) -> list[Question]:
    """After each answer and what the model itself said of its immediate effect, what came later after each of them."""
    marker = tokenizer.chain.fields[Field.RIPPLES]
    later = tuple(each.after(marker) for each in told)
    return [Question(each.asked + half, later) for each, half in zip(told, halves, strict=True)]
