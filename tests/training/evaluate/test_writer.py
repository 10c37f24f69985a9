"""Laws of the greedy writer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
import torch
from transformers import Ministral3ForCausalLM

from tear_chain.format import Ids
from tear_training.evaluate.subject import load_subject
from tear_training.evaluate.writer import GreedyWriter, Remembering

PROMPTS: list[Ids] = [(300, 301), (400, 401, 402, 403), (500,)]


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Ministral3ForCausalLM:
    return load_subject(tiny_base, None).model


def likeliest(model: Ministral3ForCausalLM, prompt: Ids, count: int) -> Ids:
    tokens = list(prompt)
    for _ in range(count):
        with torch.no_grad():
            tokens.append(int(model(input_ids=torch.tensor([tokens])).logits[0, -1].argmax()))
    return tuple(tokens[len(prompt) :])


def test_prompts_side_by_side_are_continued_as_each_by_itself(model: Ministral3ForCausalLM) -> None:
    written = GreedyWriter(model, at_once=2).write(PROMPTS, stop={2}, limit=6)
    assert written == [likeliest(model, prompt, 6) for prompt in PROMPTS]


def test_writing_ends_with_the_first_token_that_stops_it(model: Ministral3ForCausalLM) -> None:
    free = likeliest(model, PROMPTS[0], 6)
    (written,) = GreedyWriter(model).write(PROMPTS[:1], stop={free[2]}, limit=6)
    assert written == free[: free.index(free[2]) + 1]


class Counter:
    """Counts up from the prompt's last token, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Ids] = []

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        self.asked += prompts
        found = []
        for prompt in prompts:
            text = tuple(range(prompt[-1] + 1, prompt[-1] + 1 + limit))
            end = next((place for place, token in enumerate(text) if token in stop), limit)
            found.append(text[: end + 1])
        return found


def test_what_was_written_further_is_not_written_again_for_its_beginning() -> None:
    counter = Counter()
    writer = Remembering(counter)
    assert writer.write([(1,), (1,)], stop={5}, limit=9) == [(2, 3, 4, 5)] * 2
    assert writer.write([(1,)], stop={4, 5}, limit=9) == [(2, 3, 4)]
    assert writer.write([(1,)], stop={9}, limit=2) == [(2, 3)]
    assert counter.asked == [(1,)]


def test_what_goes_on_beyond_what_is_known_is_written_anew() -> None:
    counter = Counter()
    writer = Remembering(counter)
    writer.write([(1,)], stop={3}, limit=9)
    assert writer.write([(1,), (7,)], stop={6, 9}, limit=9) == [(2, 3, 4, 5, 6), (8, 9)]
    assert writer.write([(1,)], stop={3}, limit=1) == [(2,)]
    assert counter.asked == [(1,), (1,), (7,)]
