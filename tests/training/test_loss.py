"""Laws of the dual-objective loss."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from tear_chain.format import SegmentKind
from tear_training.config import Normalize
from tear_training.loss import (
    KINDS,
    DualLoss,
    Objective,
    dual_loss,
    kind_sums,
    segment_sums,
    tile_rows,
    token_nll,
    token_weights,
)

CONTEXT, DRAFT, WITNESS, DECISION, REVISED = (KINDS.index(kind) for kind in SegmentKind)
OBJECTIVE = Objective(
    response={SegmentKind.DRAFT: 1.0, SegmentKind.DECISION: 1.0, SegmentKind.REVISED: 1.0},
    consequence={SegmentKind.WITNESS: 1.0},
)


def problem(rows: int = 8, length: int = 12, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden states (B, T, H), head (V, H), targets and kinds (B, T), in float64."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(rows, length, 6, generator=generator, dtype=torch.float64)
    head = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    targets = torch.randint(20, (rows, length), generator=generator)
    kinds = torch.randint(len(SegmentKind), (rows, length), generator=generator)
    return hidden, head, targets, kinds


def loss_of(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    kinds: Tensor,
    *,
    lambda_: float,
    counts: Tensor | None = None,
    objective: Objective = OBJECTIVE,
) -> DualLoss:
    weights = weights_of(kinds, objective)
    sums = kind_sums(hidden, head, targets, kinds, objective=objective, lambda_=lambda_, weights=weights)
    return dual_loss(sums, counts_of(kinds, objective) if counts is None else counts, objective, lambda_=lambda_)


def weights_of(kinds: Tensor, objective: Objective) -> Tensor:
    return token_weights(kinds, torch.arange(kinds.shape[1]).expand_as(kinds), objective)


def counts_of(kinds: Tensor, objective: Objective) -> Tensor:
    """What the tokens of each kind weigh."""
    return segment_sums(weights_of(kinds, objective).flatten(), kinds.flatten())


def naive(hidden: Tensor, head: Tensor, targets: Tensor, kinds: Tensor, *, lambda_: float) -> Tensor:
    nll = -(hidden @ head.T).log_softmax(-1).gather(-1, targets[..., None]).squeeze(-1)
    response = nll[(kinds == DRAFT) | (kinds == DECISION) | (kinds == REVISED)].mean()
    return response + lambda_ * nll[kinds == WITNESS].mean()


def gradient(loss: Tensor, hidden: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, hidden)
    return found


def test_loss_and_gradient_are_those_of_two_means() -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    ours = loss_of(hidden, head, targets, kinds, lambda_=0.7).total
    reference = naive(hidden, head, targets, kinds, lambda_=0.7)
    torch.testing.assert_close(ours, reference, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient(ours, hidden), gradient(reference, hidden), rtol=1e-10, atol=1e-14)


def test_equal_weights_and_one_kind_are_plain_cross_entropy() -> None:
    hidden, head, targets, _ = problem()
    kinds = torch.full_like(targets, DRAFT)
    plain = torch.nn.functional.cross_entropy((hidden @ head.T).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss_of(hidden, head, targets, kinds, lambda_=5.0).total, plain)


def test_lambda_zero_has_the_gradient_of_the_response_alone() -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    with_witness = loss_of(hidden, head, targets, kinds, lambda_=0.0).total
    without = loss_of(hidden, head, targets, torch.where(kinds == WITNESS, 0, kinds), lambda_=0.0).total
    assert torch.equal(gradient(with_witness, hidden), gradient(without, hidden))


def test_context_has_no_gradient() -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    found = gradient(loss_of(hidden, head, targets, kinds, lambda_=1.0).total, hidden)
    assert not found[kinds == CONTEXT].any()
    assert found[kinds != CONTEXT].any(-1).all()


@pytest.mark.parametrize("normalize", get_args(Normalize))
def test_a_kind_of_weight_zero_has_no_gradient(normalize: Normalize) -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    objective = Objective(
        response={SegmentKind.REVISED: 1.0, SegmentKind.DRAFT: 0.0}, consequence={}, normalize=normalize
    )
    found = gradient(loss_of(hidden, head, targets, kinds, lambda_=1.0, objective=objective).total, hidden)
    assert not found[kinds != REVISED].any()
    assert found[kinds == REVISED].any(-1).all()


@pytest.mark.parametrize("normalize", get_args(Normalize))
@pytest.mark.parametrize("size", [1, 2, 4], ids=["8x1", "4x2", "2x4"])
def test_micro_batches_add_up_to_the_whole_step(size: int, normalize: Normalize) -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    objective = replace(OBJECTIVE, normalize=normalize)
    whole = loss_of(hidden, head, targets, kinds, lambda_=0.4, objective=objective).total
    counts = counts_of(kinds, objective)
    parts = [
        loss_of(*(part[start : start + size] if part is not head else head for part in (hidden, head, targets, kinds)),
                lambda_=0.4, counts=counts, objective=objective).total
        for start in range(0, 8, size)
    ]  # fmt: skip
    summed = torch.stack(parts).sum()
    torch.testing.assert_close(summed, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient(summed, hidden), gradient(whole, hidden), rtol=1e-10, atol=1e-14)


def test_one_mean_over_tokens_at_lambda_one_is_plain_cross_entropy() -> None:
    hidden, head, targets, kinds = problem()
    plain = torch.nn.functional.cross_entropy((hidden @ head.T)[kinds != 0], targets[kinds != 0])
    loss = loss_of(hidden, head, targets, kinds, lambda_=1.0, objective=replace(OBJECTIVE, normalize="token"))
    torch.testing.assert_close(loss.total, plain)


def test_by_examples_a_long_one_weighs_as_much_as_a_short_one() -> None:
    hidden, head, targets, _ = problem(rows=2)
    kinds = torch.zeros_like(targets)
    kinds[0, :2], kinds[1, :] = DRAFT, DRAFT
    loss = loss_of(hidden, head, targets, kinds, lambda_=1.0, objective=replace(OBJECTIVE, normalize="example")).total
    alone = [
        loss_of(hidden[place, None], head, targets[place, None], kinds[place, None], lambda_=1.0).total
        for place in range(2)
    ]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_response_weights_shift_the_parts_of_an_examples_mean() -> None:
    hidden, head, targets, kinds = problem(rows=1)
    objective = Objective(response={SegmentKind.DRAFT: 3.0, SegmentKind.REVISED: 1.0}, consequence={})
    by_example = loss_of(hidden, head, targets, kinds, lambda_=0.0, objective=replace(objective, normalize="example"))
    torch.testing.assert_close(
        by_example.total, loss_of(hidden, head, targets, kinds, lambda_=0.0, objective=objective).total
    )


def test_a_longer_consequence_does_not_outweigh_the_response() -> None:
    hidden, head, targets, kinds = problem(rows=1)
    once = loss_of(hidden, head, targets, kinds, lambda_=1.0)
    is_witness = kinds[0] == WITNESS
    order = torch.cat([torch.arange(12), is_witness.nonzero().flatten().repeat(3)])
    more = loss_of(hidden[:, order], head, targets[:, order], kinds[:, order], lambda_=1.0)
    torch.testing.assert_close(more.total, once.total)


def test_a_step_without_consequences_is_its_response() -> None:
    hidden, head, targets, _ = problem()
    loss = loss_of(hidden, head, targets, torch.full_like(targets, REVISED), lambda_=1.0)
    assert loss.consequence.item() == 0
    assert torch.equal(loss.total, loss.response)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, head, targets, kinds = problem()
    hidden.requires_grad_()
    whole = loss_of(hidden, head, targets, kinds, lambda_=1.0).total
    monkeypatch.setattr("tear_training.loss._TILE_ROWS", 5)
    tiled = loss_of(hidden, head, targets, kinds, lambda_=1.0).total
    torch.testing.assert_close(tiled, whole, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient(tiled, hidden), gradient(whole, hidden), rtol=1e-12, atol=1e-15)


def test_the_token_gradient_passes_gradcheck() -> None:
    hidden, head, targets, _ = problem(rows=1, length=4)
    assert torch.autograd.gradcheck(lambda x: token_nll(x, head, targets[0]), hidden[0].requires_grad_())


def test_a_head_that_learns_is_refused() -> None:
    hidden, head, targets, _ = problem()
    with pytest.raises(ValueError, match="frozen head"):
        token_nll(hidden[0], head.requires_grad_(), targets[0])


def test_bfloat16_states_are_normalised_in_float32() -> None:
    hidden, head, targets, _ = problem()
    nll = token_nll(hidden[0].bfloat16(), head.bfloat16(), targets[0])
    assert nll.dtype == torch.float32


def test_bfloat16_loses_nothing_beyond_its_products() -> None:
    """Against one softmax in float32 over products as bfloat16 rounds them."""
    hidden, head, targets, _ = problem()
    states, narrow = hidden[0].bfloat16().requires_grad_(), head.bfloat16()
    logits = (states @ narrow.T).detach().float().requires_grad_()
    expected = torch.nn.functional.cross_entropy(logits, targets[0], reduction="none")
    nll = token_nll(states, narrow, targets[0])
    torch.testing.assert_close(nll, expected, rtol=1e-6, atol=1e-6)
    (surprise,) = torch.autograd.grad(expected.sum(), logits)
    torch.testing.assert_close(gradient(nll.sum(), states), surprise.bfloat16() @ narrow, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(("vocabulary", "rows"), [(8_192, 1024), (131_072, 128), (1 << 30, 1)], ids=str)
def test_on_a_processor_a_tile_of_a_large_vocabulary_is_fewer_rows(vocabulary: int, rows: int) -> None:
    assert tile_rows(vocabulary, device=torch.device("cpu")) == rows
    assert tile_rows(vocabulary, device=torch.device("cuda")) == 1024
