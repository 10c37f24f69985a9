"""Steering by hand, on a decoder of two linear layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tear_training.evaluate.direction import Effects
from tear_training.evaluate.probe import Inside, probe
from tear_training.evaluate.scorer import Question
from tear_training.evaluate.steer import Direction, changed, direction_of, steered

MARKER = 7


class Decoder(nn.Module):
    """Embeds a token as (token, 1), doubles it, and adds up all states so far."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(2, 2, bias=False)
        self.scale.weight.data = 2 * torch.eye(2)
        self.requires_grad_(False)

    def forward(self, *, input_ids: Tensor) -> Tensor:
        states = torch.stack([input_ids.float(), torch.ones_like(input_ids).float()], dim=-1)
        found: Tensor = self.scale(states).cumsum(1)
        return found


def test_only_the_state_before_the_marker_is_changed_and_what_follows_sees_it() -> None:
    decoder, tokens = Decoder(), torch.tensor([[3, 5, MARKER, 1], [4, MARKER, 2, 2]])
    plain = decoder(input_ids=tokens)
    with changed(decoder, decoder.scale, lambda states: states + torch.tensor([100.0, 0.0]), marker=MARKER):
        moved = decoder(input_ids=tokens) - plain
    assert moved[..., 0].tolist() == [[0, 100, 100, 100], [100, 100, 100, 100]]
    assert moved[..., 1].abs().sum() == 0


def test_nothing_is_left_behind_whatever_happens() -> None:
    decoder, tokens = Decoder(), torch.tensor([[3, MARKER]])
    plain = decoder(input_ids=tokens)

    def fail(_: Tensor) -> Tensor:
        raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"), changed(decoder, decoder.scale, fail, marker=MARKER):
        decoder(input_ids=tokens)
    assert torch.equal(decoder(input_ids=tokens), plain)


def test_a_direction_is_of_length_one_and_as_long_apart_as_the_means() -> None:
    states = np.array([[4, 1], [6, 1], [1, 1], [1, 1]], dtype=np.float32)
    found = direction_of(np.array([5.0, 0.0]), states, np.array([True, True, False, False]))
    assert found.unit.tolist() == [1, 0]
    assert (found.middle, found.apart) == (3, 4)


def test_flattened_states_lie_in_the_middle_and_pushed_ones_as_far_as_told() -> None:
    line = Direction(np.array([0.6, 0.8], dtype=np.float32), middle=2.0, apart=1.0)
    states = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    unit = torch.tensor([0.6, 0.8])
    assert torch.allclose(line.flatten(states) @ unit, torch.tensor([2.0, 2.0]))
    assert torch.allclose(line.push(states, -1.5) - states, (-1.5 * unit).expand(2, 2))


class Reader:
    """What opens is as likely as the decoder's last state says, and what closes as unlikely."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        last = [float(self._decoder(input_ids=torch.tensor([asked.prefix]))[0, -1, 0]) for asked in questions]
        return [(value, -value) for value in last]


def test_a_push_moves_the_odds_by_twice_its_length_where_the_state_is_used() -> None:
    """Only the first dimension is read, and only it tells the classes apart: by 4, so the odds move by 8 nats."""
    decoder, count = Decoder(), 20
    rng = np.random.default_rng(0)
    opens, groups = np.tile([True, False], count), np.repeat(np.arange(count), 2)
    layer = np.stack([np.where(opens, 2.0, -2.0), np.repeat(rng.normal(size=count), 2)], axis=1).astype(np.float32)
    within = Inside(np.stack([0 * layer, layer, 0 * layer]), opens, groups)
    questions = [Question(prefix, ((1,), (2,))) for prefix in ((6, MARKER), (3, MARKER))]
    found = steered(
        decoder,
        Reader(decoder),
        layers=[decoder.scale],
        asked={place: Effects(questions, opening=1) for place in range(4)},
        within=within,
        readings=probe(within.states, opens, groups, seed=1),
        marker=MARKER,
        situations=count,
        seed=1,
    )
    assert found["d5_steered"][:4] == pytest.approx(8, rel=0.02)
    assert np.abs(found["d5_random"][:4]).max() < 8
    # 2 (12 + 14) less 2 (6 + 14); without the direction both states are the same.
    assert found["d5_gap"][:4] == pytest.approx(12)
    assert found["d5_flat"][:4] == pytest.approx(0, abs=0.6)
    assert all(np.isnan(values[4:]).all() for values in found.values())
