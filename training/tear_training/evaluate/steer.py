"""D5's causal check: move the state that the probe reads, and see whether what the model foresees moves with it.

After an answer's last token, where the probe reads, the state is pushed along the probe's direction, along a random one
and along that of a probe on random labels, by the same amount. What moves the foreseen effect along the first and not
along the others is used by the model, not only there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tear_training.evaluate.bootstrap import Array, Columns
from tear_training.evaluate.direction import Effects
from tear_training.evaluate.probe import Inside, Readings, regression
from tear_training.evaluate.scorer import Likelihood

NAMES = ("d5_steered", "d5_random", "d5_shuffled", "d5_gap", "d5_flat")
Change = Callable[[Tensor], Tensor]
"""Of states (places, hidden)."""


@dataclass(frozen=True, slots=True)
class Direction:
    """A line through the states of one layer."""

    unit: NDArray[np.float32]
    """(hidden,), of length 1; it points to where answers open."""
    middle: float
    """Where the mean of all states lies on it."""
    apart: float
    """How far the means of both classes lie apart on it, in the states' own unit."""

    def push(self, states: Tensor, amount: float) -> Tensor:
        """States moved by so much along it."""
        return states + amount * self._like(states)

    def flatten(self, states: Tensor) -> Tensor:
        """States projected onto what is at right angles to it, through the middle."""
        unit = self._like(states)
        return states - ((states @ unit) - self.middle)[:, None] * unit

    def _like(self, states: Tensor) -> Tensor:
        return torch.as_tensor(self.unit, dtype=states.dtype, device=states.device)


def steered(
    decoder: nn.Module,
    likelihood: Likelihood,
    *,
    layers: Sequence[nn.Module],
    asked: Mapping[int, Effects],
    within: Inside,
    readings: Readings,
    marker: int,
    situations: int,
    seed: int,
) -> Columns:
    """Columns by situation, in nats of the odds that an effect is told as opening; NaN where it is not `asked`.

    `d5_steered`: what they gain when the state is pushed to where answers open, by the distance of the class means
    (half of what lies between a push there and one back). `d5_random` and `d5_shuffled`: the same by the same distance
    along a random direction and that of the probe on random labels, turned to where the training part's answers open.
    `d5_gap`: what they are higher after the opening answer than after the closing one; `d5_flat`: the same with the
    probe's direction taken out of the state. Layer and directions come from the folds that do not test the situation.
    """
    rng = np.random.default_rng(seed)
    columns = {name: np.full(situations, np.nan) for name in NAMES}
    for fold in readings.folds:
        places = sorted({int(place) for place in within.groups[fold.test]} & asked.keys())
        if not places:
            continue
        states, labels = within.states[fold.inner][fold.train], within.opens[fold.train]
        lines = {
            "d5_steered": direction_of(_weights(states, labels), states, labels),
            "d5_random": direction_of(rng.normal(size=states.shape[1]), states, labels),
            "d5_shuffled": direction_of(_weights(states, readings.control_labels[fold.train]), states, labels),
        }
        probe = lines["d5_steered"]

        def odds(change: Change, *, layer: int = fold.inner, taken: Sequence[int] = tuple(places)) -> Array:
            """(situations, 2): after the opening and the closing answer."""
            # The states that a layer hands on are those that the next one is read at.
            with changed(decoder, layers[layer - 1], change, marker=marker):
                scores = iter(likelihood.score([question for place in taken for question in asked[place].questions]))
            return np.array([[asked[place].odds(next(scores)) for _ in asked[place].questions] for place in taken])

        for name, line in lines.items():
            up, down = (odds(partial(line.push, amount=sign * probe.apart)) for sign in (1, -1))
            columns[name][places] = (up - down).mean(1) / 2
        for name, change in (("d5_gap", partial(probe.push, amount=0.0)), ("d5_flat", probe.flatten)):
            after = odds(change)
            columns[name][places] = after[:, 0] - after[:, 1]
    return columns


def direction_of(weights: Array, states: NDArray[np.float32], labels: NDArray[np.bool_]) -> Direction:
    """The line along `weights` (hidden,), told from states (answers, hidden) and which of them open."""
    unit = (weights / np.linalg.norm(weights)).astype(np.float32)
    along = states @ unit
    apart = float(along[labels].mean() - along[~labels].mean())
    turned = -1.0 if apart < 0 else 1.0
    return Direction(turned * unit, turned * float(along.mean()), abs(apart))


@contextmanager
def changed(decoder: nn.Module, layer: nn.Module, change: Change, *, marker: int) -> Iterator[None]:
    """While it lasts, `layer` of `decoder` hands on what `change` makes of the state before each `marker`.

    `decoder` is called with `input_ids` (B, T) by name. Whatever happens within, both are as before afterwards.
    """
    where: list[Tensor] = []

    def see(_: nn.Module, __: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        following = named["input_ids"][:, 1:] == marker
        where[:] = [nn.functional.pad(following, (0, 1))]

    def alter(_: nn.Module, __: tuple[Any, ...], states: Tensor) -> Tensor:
        states = states.clone()
        states[where[0]] = change(states[where[0]])
        return states

    handles = [decoder.register_forward_pre_hook(see, with_kwargs=True), layer.register_forward_hook(alter)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _weights(states: NDArray[np.float32], labels: NDArray[np.bool_]) -> Array:
    """The weights of a regression in the states' own unit: it reads them standardized."""
    scaler, regressed = (step for _, step in regression().fit(states, labels).steps)
    found: Array = regressed.coef_[0] / scaler.scale_
    return found
