"""Laws of the divergence from a base."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import kl_div

from tear_training.distillation import divergence


def problem(count: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states (N, H), head (V, H) and the base's states (N, H), in float64."""
    generator = torch.Generator().manual_seed(0)
    hidden, base = torch.randn(2, count, 6, generator=generator, dtype=torch.float64)
    return hidden.requires_grad_(), torch.randn(20, 6, generator=generator, dtype=torch.float64), base


def naive(hidden: Tensor, head: Tensor, base: Tensor) -> Tensor:
    trained, wanted = ((states @ head.T).log_softmax(-1) for states in (hidden, base))
    return kl_div(trained, wanted, reduction="none", log_target=True).sum(-1)


def gradient(loss: Tensor, hidden: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, hidden)
    return found


@pytest.mark.parametrize("rows", [5, 1024])
def test_it_is_the_divergence_and_its_gradient_whatever_the_tiles(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tear_training.loss._TILE_ROWS", rows)
    hidden, head, base = problem()
    ours, theirs = divergence(hidden, head, base), naive(hidden, head, base)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient(ours.mean(), hidden), gradient(theirs.mean(), hidden), rtol=1e-10, atol=1e-14)


def test_what_has_not_moved_has_neither_divergence_nor_gradient() -> None:
    hidden, head, _ = problem()
    still = divergence(hidden, head, hidden.detach())
    assert not still.any()
    assert not gradient(still.sum(), hidden).any()


def test_bfloat16_states_are_compared_in_float32() -> None:
    hidden, head, base = (each.detach().bfloat16() for each in problem())
    found = divergence(hidden, head, base)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, naive(hidden.float(), head.float(), base.float()), rtol=5e-2, atol=5e-2)


def test_a_head_that_learns_is_refused() -> None:
    hidden, head, base = problem()
    with pytest.raises(ValueError, match="frozen head"):
        divergence(hidden, head.requires_grad_(), base)
