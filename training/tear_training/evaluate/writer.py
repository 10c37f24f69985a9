"""What a model writes by itself: greedy continuations, many at a time, in transformers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import torch
from transformers import GenerationConfig, Ministral3ForCausalLM

from tear_chain.format import Ids

_AT_ONCE = 64


class Writer(Protocol):
    """Anything that goes on writing: a model, or in tests a rule."""

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        """What follows each prompt, up to and with the first token of `stop`, or `limit` tokens if none comes."""


class GreedyWriter:
    """A model as `Writer`: always the likeliest token, so nothing depends on a seed."""

    def __init__(self, model: Ministral3ForCausalLM, *, at_once: int = _AT_ONCE) -> None:
        self._model = model
        self._at_once = at_once

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        """See `Writer`."""
        # Prompts of like length side by side: filling costs as much as text.
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        found: dict[int, Ids] = {}
        for start in range(0, len(order), self._at_once):
            places = order[start : start + self._at_once]
            found |= zip(places, self._batch([prompts[place] for place in places], stop, limit), strict=True)
        return [found[place] for place in range(len(prompts))]

    def _batch(self, prompts: Sequence[Ids], stop: Collection[int], limit: int) -> list[Ids]:
        width = max(map(len, prompts))
        filling = next(iter(stop))
        inputs = torch.full((len(prompts), width), filling)
        mask = torch.zeros_like(inputs)
        # Filled up on the left, so that all go on from the same place.
        for row, prompt in enumerate(prompts):
            inputs[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        device = self._model.device
        settings = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False, max_new_tokens=limit, eos_token_id=sorted(stop), pad_token_id=filling, use_cache=True
        )
        with torch.inference_mode():
            written = self._model.generate(  # type: ignore[misc]
                inputs.to(device), attention_mask=mask.to(device), generation_config=settings
            )
        return [_until(row, stop) for row in written[:, width:].tolist()]


class Remembering:
    """A writer that writes nothing twice: what the likeliest token is does not depend on where the text will stop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: dict[Ids, Ids] = {}

    def write(self, prompts: Sequence[Ids], *, stop: Collection[int], limit: int) -> list[Ids]:
        """See `Writer`."""
        new = [prompt for prompt in dict.fromkeys(prompts) if self._recall(prompt, stop, limit) is None]
        if new:
            self._known |= zip(new, self._writer.write(new, stop=stop, limit=limit), strict=True)
        return [self._recall(prompt, stop, limit) or () for prompt in prompts]

    def _recall(self, prompt: Ids, stop: Collection[int], limit: int) -> Ids | None:
        """What would be written, if what is known goes far enough to say so."""
        text = _until(self._known.get(prompt, ()), stop)[:limit]
        return text if text and (len(text) == limit or text[-1] in stop) else None


def _until(tokens: Sequence[int], stop: Collection[int]) -> Ids:
    ends = (place for place, token in enumerate(tokens) if token in stop)
    return tuple(tokens[: next(ends, len(tokens)) + 1])
