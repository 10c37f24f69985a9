"""Rules in a model's place, at the two seams of the evaluation: what is likely, and what is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision
from tear_training.evaluate.items import Answer, Siblings
from tear_training.evaluate.scorer import Question
from tear_training.world_table import Table
from tear_training.world_text import ACTS


class Talker:
    """Foresees the average sad scene, whatever the answer: how likely a text is depends on the text alone."""

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        return [tuple(-0.1 * (sum(text) % 97) - len(text) for text in asked.continuations) for asked in questions]


class Seer:
    """Foresees what the gold says: only the true chains are likely."""

    def __init__(self, siblings: Sequence[Siblings]) -> None:
        self._chains = [answer.told.asked + answer.told.scene for each in siblings for answer in each.all]

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        return [
            tuple(0.0 if self._is_true(asked.prefix + text) else -5.0 for text in asked.continuations)
            for asked in questions
        ]

    def _is_true(self, tokens: Ids) -> bool:
        return any(chain[: len(tokens)] == tokens for chain in self._chains)


class Heeder:
    """Witnesses as the gold says, and finds a better answer only where that very witness stands before it."""

    def __init__(self, siblings: Sequence[Siblings], tokenizer: ChainTokenizer, *, table: Table) -> None:
        answers = [answer for each in siblings for answer in each.all]
        self._tokenizer = tokenizer
        self._scenes = {answer.told.asked: self._decided(answer) for answer in answers}
        self._any = self._decided(answers[0])
        revise = tokenizer.chain.decisions[Decision.REVISE]
        self._better = {
            (*answer.told.asked, *answer.told.scene, revise): self._better_than(answer, table) for answer in answers
        }

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        if set(self._tokenizer.chain.decisions.values()) <= set(stop):
            return [until(self._scenes.get(prompt) or self._any, stop) for prompt in prompts]
        return [self._better.get(prompt) or self._draft_of(prompt) for prompt in prompts]

    def _decided(self, answer: Answer) -> Ids:
        decision = Decision.REVISE if answer.gold.weight < 0 else Decision.KEEP
        return (*answer.told.scene, self._tokenizer.chain.decisions[decision])

    def _better_than(self, answer: Answer, table: Table) -> Ids:
        act = table.acts(answer.gold.need, range(2, 3))[0]
        text = ACTS[act].answers[0].format_map(answer.gold.slots)
        return (*self._tokenizer.encode(text), self._tokenizer.chain.end)

    def _draft_of(self, prompt: Ids) -> Ids:
        chain = self._tokenizer.chain
        return (*prompt[prompt.index(chain.draft) + 1 : prompt.index(chain.witness)], chain.end)


class Parrot:
    """Writes one witness wherever a scene is asked for, and elsewhere one answer, whatever stands before."""

    def __init__(self, tokenizer: ChainTokenizer, *, witness: Ids, answer: str) -> None:
        self._decisions = set(tokenizer.chain.decisions.values())
        self._end = tokenizer.chain.end
        self._witness = witness
        self._answer = tokenizer.encode(answer)

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        text = self._witness if self._decisions <= set(stop) else (*self._answer, self._end)
        return [until(text, stop)] * len(prompts)


def until(text: Ids, stop: Collection[int]) -> Ids:
    """The text up to and with the first token that stops it."""
    return text[: next(place for place, token in enumerate(text) if token in stop) + 1]
