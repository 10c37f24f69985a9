"""Laws of the greedy writer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import Ministral3ForCausalLM

from tear_chain.format import Ids
from tear_training.evaluate.subject import load_subject
from tear_training.evaluate.writer import GreedyWriter

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
