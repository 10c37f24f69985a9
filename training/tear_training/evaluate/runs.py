"""Runs of the chain without a server: witness a draft, decide, and revise it where that was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tear_chain.format import Ids, draft_prompt, revised_prompt, witness_prompt
from tear_chain.parser import WitnessParser
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Field, Scene
from tear_training.evaluate.writer import Writer

DRAFT_LIMIT = 96
WITNESS_LIMIT = 192


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A draft and what the model foresaw of it."""

    prompt: Ids
    draft: Ids
    witness: Ids
    """What the model wrote of the consequence, without its decision."""
    decision: Decision | None
    is_well_formed: bool
    """Whether the scene is whole and in order, and a decision follows."""
    scene: Scene
    """What the witness tells, as far as it can be read."""


def draft(writer: Writer, prompts: Sequence[Ids], tokenizer: ChainTokenizer) -> list[Ids]:
    """The model's own answers to conversations, without what ends them."""
    chain = tokenizer.chain
    ends = frozenset((chain.witness, chain.end))
    written = writer.write([draft_prompt(chain, prompt) for prompt in prompts], stop=ends, limit=DRAFT_LIMIT)
    return [_without(tokens, ends) for tokens in written]


def witness(
    writer: Writer, prompts: Sequence[Ids], drafts: Sequence[Ids], tokenizer: ChainTokenizer
) -> list[Witnessed]:
    """What the model foresees of each draft, and what it decides."""
    chain = tokenizer.chain
    decisions = {token: decision for decision, token in chain.decisions.items()}
    ends = frozenset((*decisions, chain.end))
    asked = [witness_prompt(chain, prompt, text) for prompt, text in zip(prompts, drafts, strict=True)]
    found = []
    for prompt, text, tokens in zip(prompts, drafts, writer.write(asked, stop=ends, limit=WITNESS_LIMIT), strict=True):
        decision = decisions.get(tokens[-1]) if tokens else None
        is_well_formed, scene = _read(tokens, tokenizer)
        found.append(Witnessed(prompt, text, _without(tokens, ends), decision, is_well_formed, scene))
    return found


def first_halves(writer: Writer, asked: Sequence[Ids], tokenizer: ChainTokenizer) -> list[Ids]:
    """What the model says of each answer's immediate effect, up to and with the marker that asks for what came later.

    Where it never comes to a marker, the marker is set, so that every half can be gone on from.
    """
    chain = tokenizer.chain
    ripples, impact = chain.fields[Field.RIPPLES], chain.fields[Field.IMPACT]
    ends = frozenset((ripples, chain.end, *chain.decisions.values()))
    found = []
    for tokens in writer.write(asked, stop=ends, limit=WITNESS_LIMIT):
        half = _without(tokens, ends)
        found.append((*half, *(() if impact in half else (impact,)), ripples))
    return found


def revise(
    writer: Writer, drafts: Sequence[Witnessed], witnesses: Sequence[Ids], tokenizer: ChainTokenizer
) -> list[Ids]:
    """What the model says instead of each draft once it has seen the witness given here, its own or another."""
    chain = tokenizer.chain
    ends = frozenset((chain.end,))
    asked = [revised_prompt(chain, run.prompt, run.draft, seen) for run, seen in zip(drafts, witnesses, strict=True)]
    return [_without(tokens, ends) for tokens in writer.write(asked, stop=ends, limit=DRAFT_LIMIT)]


def _without(tokens: Ids, ends: frozenset[int]) -> Ids:
    return tokens[:-1] if tokens and tokens[-1] in ends else tokens


def _read(tokens: Ids, tokenizer: ChainTokenizer) -> tuple[bool, Scene]:
    parser = WitnessParser(tokenizer.chain, control_ids=tokenizer.control_ids, new_decoder=tokenizer.decoder)
    for token in tokens:
        parser.feed(token)
    scene = parser.finish(cut=False)
    return not parser.problems, scene
