"""Log-likelihoods of many continuations after shared prefixes: the one measurement under every score here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import Ministral3ForCausalLM

from tear_chain.format import Ids
from tear_training.loss import token_nll

_TOKENS_AT_ONCE = 1024
_HEAD_ROWS = 256
"""Logits of so many rows of a small vocabulary lie in the caches: a third faster than of a thousand."""
_LONGEST_ROW = 768
"""Attention costs the square of a row: beyond this many tokens a prefix is sooner read twice."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is given, and what may follow it; neither is empty, nor is any continuation."""

    prefix: Ids
    continuations: tuple[Ids, ...]

    def __post_init__(self) -> None:
        if not self.prefix or not self.continuations or not all(self.continuations):
            raise ValueError("A question has a prefix and continuations of at least one token.")


class Likelihood(Protocol):
    """Anything that says how likely a text is: a model, or in tests a rule."""

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        """For each question log p(continuation | prefix) in nats, summed over tokens, in the order asked."""


class Scorer:
    """A model in evaluation mode as `Likelihood`; counts what it scored and how long it took.

    >>> scorer = Scorer(model)
    >>> scorer.score([Question(prefix, (sad_scene, glad_scene))])
    [(-21.3, -24.9)]

    A prefix and its continuations share one row: positions go on from the prefix in each continuation, and none sees
    another. So the prefix is computed once, and what comes out is what each pair by itself would get.
    """

    def __init__(self, model: Ministral3ForCausalLM, *, tokens_at_once: int = _TOKENS_AT_ONCE) -> None:
        self._model = model
        self._tokens_at_once = tokens_at_once
        self.scores = 0
        """Continuations scored so far."""
        self.seconds = 0.0

    @property
    def per_second(self) -> float:
        """Scores per second so far."""
        return self.scores / self.seconds if self.seconds else 0.0

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        """See `Likelihood`."""
        began = time.perf_counter()
        found = [[0.0] * len(question.continuations) for question in questions]
        rows = sorted(_rows(questions), key=lambda row: row.length)
        with torch.inference_mode():
            for batch in _batches(rows, tokens=self._tokens_at_once):
                for row, sums in zip(batch, self._sums(batch), strict=True):
                    for place, value in zip(row.places, sums, strict=True):
                        found[row.question][place] = value
        self.scores += sum(map(len, found))
        self.seconds += time.perf_counter() - began
        return [tuple(values) for values in found]

    def _sums(self, rows: Sequence[_Row]) -> list[list[float]]:
        layouts = [_lay_out(row) for row in rows]
        width = max(len(layout.inputs) for layout in layouts)
        inputs = torch.zeros((len(rows), width), dtype=torch.long)
        positions = torch.zeros_like(inputs)
        # Filling belongs to a block of its own, which sees itself: a row of nothing but -inf has no softmax.
        blocks = torch.full_like(inputs, -1)
        for place, layout in enumerate(layouts):
            length = len(layout.inputs)
            inputs[place, :length] = torch.tensor(layout.inputs)
            positions[place, :length] = torch.tensor(layout.positions)
            blocks[place, :length] = torch.tensor(layout.blocks)
        device, dtype = self._model.device, self._model.dtype
        hidden = self._model.model(
            input_ids=inputs.to(device),
            position_ids=positions.to(device),
            attention_mask=_mask(blocks.to(device), dtype),
            use_cache=False,
        ).last_hidden_state
        asked = torch.tensor([(place, source) for place, layout in enumerate(layouts) for source in layout.sources])
        targets = torch.tensor([target for layout in layouts for target in layout.targets])
        head, states = self._model.lm_head.weight.detach(), hidden[asked[:, 0], asked[:, 1]]
        tiles = zip(torch.split(states, _HEAD_ROWS), torch.split(targets.to(device), _HEAD_ROWS), strict=True)
        nll = torch.cat([token_nll(tile, head, wanted) for tile, wanted in tiles])
        lengths = [len(continuation) for row in rows for continuation in row.continuations]
        sums = iter([-float(part.sum()) for part in torch.split(nll.double().cpu(), lengths)])
        return [[next(sums) for _ in row.continuations] for row in rows]


class _Row(NamedTuple):
    """Some continuations of one question; `places` are theirs within it."""

    question: int
    prefix: Ids
    continuations: tuple[Ids, ...]
    places: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.prefix) + sum(len(continuation) - 1 for continuation in self.continuations)


class _Layout(NamedTuple):
    """A row as the model reads it; each continuation's last token is only asked for, never read."""

    inputs: list[int]
    positions: list[int]
    blocks: list[int]
    """0 for the prefix, then one number for each continuation."""
    sources: list[int]
    """Places in `inputs` at which `targets` must be foretold, continuation after continuation."""
    targets: list[int]


def _lay_out(row: _Row) -> _Layout:
    start = len(row.prefix)
    layout = _Layout(list(row.prefix), list(range(start)), [0] * start, [], [])
    for block, continuation in enumerate(row.continuations, start=1):
        first = len(layout.inputs)
        read = len(continuation) - 1
        layout.inputs.extend(continuation[:-1])
        layout.positions.extend(range(start, start + read))
        layout.blocks.extend([block] * read)
        layout.sources.extend((start - 1, *range(first, first + read)))
        layout.targets.extend(continuation)
    return layout


def _mask(blocks: Tensor, dtype: torch.dtype) -> Tensor:
    """What each place adds to its attention: `blocks` (B, T) -> (B, 1, T, T) of 0 and the lowest number."""
    length = blocks.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=blocks.device).tril()
    sees = earlier & ((blocks[:, None, :] == 0) | (blocks[:, None, :] == blocks[:, :, None]))
    return torch.zeros(sees.shape, dtype=dtype, device=blocks.device).masked_fill_(~sees, torch.finfo(dtype).min)[
        :, None
    ]


def _rows(questions: Sequence[Question]) -> Iterator[_Row]:
    for number, question in enumerate(questions):
        taken: list[int] = []
        length = len(question.prefix)
        for place, continuation in enumerate(question.continuations):
            if taken and length + len(continuation) > _LONGEST_ROW:
                yield _row(number, question, taken)
                taken, length = [], len(question.prefix)
            taken.append(place)
            length += len(continuation)
        yield _row(number, question, taken)


def _row(number: int, question: Question, places: Sequence[int]) -> _Row:
    return _Row(number, question.prefix, tuple(question.continuations[place] for place in places), tuple(places))


def _batches(rows: Sequence[_Row], *, tokens: int) -> Iterator[list[_Row]]:
    """Rows sorted by length, as many side by side as `tokens` allow; at least one."""
    batch: list[_Row] = []
    for row in rows:
        if batch and (len(batch) + 1) * row.length > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
