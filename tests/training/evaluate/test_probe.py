"""Laws of the linear probe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tear_training.evaluate.probe import last_states, probe
from tear_training.evaluate.subject import load_subject

GROUPS = np.repeat(np.arange(40), 4)
LABELS = np.tile([True, True, False, False], 40)


def states(signal: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Two layers of noise; in the second the label shows by `signal`."""
    drawn = np.random.default_rng(0).normal(size=(2, len(LABELS), 6)).astype(np.float32)
    drawn[1, :, 0] += signal * (2 * LABELS - 1)
    return drawn


def test_what_the_states_hold_is_read_from_the_layer_that_holds_it() -> None:
    found = probe(states(4), LABELS, GROUPS, seed=1)
    assert found.right.mean() > 0.95
    assert found.control.mean() == pytest.approx(0.5, abs=0.15)


def test_what_the_states_do_not_hold_is_not_read() -> None:
    assert probe(states(0), LABELS, GROUPS, seed=1).right.mean() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("seed", range(4))
def test_eight_situations_are_enough_for_every_part_to_hold_both_labels(seed: int) -> None:
    few = GROUPS < 8
    assert probe(states(4)[:, few], LABELS[few], GROUPS[few], seed=seed).right.mean() > 0.8


def test_the_state_of_a_text_does_not_depend_on_those_beside_it(tiny_base: Path) -> None:
    model = load_subject(tiny_base, None).model
    texts = [(300, 301, 302), (400, 401, 402, 403, 404, 405)]
    together = last_states(model, texts)
    alone = last_states(model, texts[:1])
    assert torch.allclose(torch.tensor(together[:, :1]), torch.tensor(alone), atol=1e-5)
    assert together.shape == (3, 2, 64)
