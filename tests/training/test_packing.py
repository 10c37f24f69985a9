"""Laws of micro-batches: a step's rows in rows or in packs, and what a model sees of a pack."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from tear_chain.errors import DataError
from tear_training.adapter import ChainModel, add_adapter, load_base
from tear_training.attention import BY_EXAMPLE, attend_by_example
from tear_training.config import Batching, LoraSettings
from tear_training.examples import Example, collate, collate_packed
from tear_training.packing import micro_batches

PACKED = Batching(rows_per_step=8, pack_tokens=64)


def examples(count: int, *, longest: int = 30, seed: int = 0) -> list[Example]:
    rng = Random(seed)
    sizes = [rng.randint(2, longest) for _ in range(count)]
    return [
        Example(f"r{place}", tuple(rng.randrange(200, 1500) for _ in range(size)), (1,) * size)
        for place, size in enumerate(sizes)
    ]


def length(pack: tuple[Example, ...]) -> int:
    return sum(len(example.tokens) - 1 for example in pack)


@pytest.mark.parametrize("ranks", [1, 2])
def test_every_step_has_the_same_number_of_packs_and_just_its_own_rows(ranks: int) -> None:
    rows = examples(40)
    micro = micro_batches(rows, PACKED, ranks=ranks)
    assert micro.per_step % ranks == 0
    for step in range(5):
        packs = micro.batches[step * micro.per_step : (step + 1) * micro.per_step]
        own = [example for pack in packs for example in pack]
        assert sorted(own, key=rows.index) == rows[step * 8 : (step + 1) * 8]
        assert all(packs)
    assert len(micro.batches) == 5 * micro.per_step


def test_no_pack_is_longer_than_its_budget() -> None:
    assert max(map(length, micro_batches(examples(80), PACKED).batches)) <= 64


def test_a_step_that_fits_is_one_pack() -> None:
    micro = micro_batches(examples(16), Batching(rows_per_step=8, pack_tokens=8 * 30))
    assert micro.per_step == 1


def test_a_row_longer_than_a_pack_is_named_with_its_length() -> None:
    with pytest.raises(DataError, match=r"Row r0 takes 99 tokens; batching.pack_tokens is 64"):
        micro_batches([Example("r0", (5,) * 100, (1,) * 100), *examples(7)], PACKED)


@pytest.mark.parametrize(
    ("batching", "ranks"),
    [(PACKED, 9), (Batching(rows_per_step=8, micro_rows=4), 3)],
    ids=["more-ranks-than-rows", "uneven-ranks"],
)
def test_ranks_that_cannot_share_a_step_are_refused(batching: Batching, ranks: int) -> None:
    with pytest.raises(DataError, match=f"{ranks} ranks"):
        micro_batches(examples(8), batching, ranks=ranks)


def test_without_a_budget_rows_keep_their_order() -> None:
    rows = examples(16)
    micro = micro_batches(rows, Batching(rows_per_step=8, micro_rows=2))
    assert micro.per_step == 4
    assert [example for batch in micro.batches for example in batch] == rows


def test_positions_begin_anew_with_each_example() -> None:
    batch = collate_packed([Example("a", (5, 6, 7), (0, 1, 2)), Example("b", (8, 9), (0, 3))])
    assert {name: part.tolist() for name, part in batch.items()} == {
        "inputs": [[5, 6, 8]],
        "targets": [[6, 7, 9]],
        "kinds": [[1, 2, 3]],
        "positions": [[0, 1, 0]],
    }


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> ChainModel:
    """Beyond position 256 its queries are scaled, as Ministral 3's are beyond 16,384."""
    base = load_base(tiny_base, longest=512, is_packed=True)
    return ChainModel(add_adapter(base, LoraSettings(rank=8), seed=1), precision=torch.float32).eval()


@pytest.mark.parametrize("attention", ["eager", "sdpa", BY_EXAMPLE])
def test_an_example_in_a_pack_is_what_it_is_alone(attention: str, model: ChainModel) -> None:
    model.peft.get_base_model().set_attn_implementation(attention)
    """By transformers' block-diagonal mask, and by the edges that FlashAttention is told."""
    rows = [example for example in examples(9, longest=330, seed=2) if len(example.tokens) > 90]
    assert any(len(example.tokens) > 257 for example in rows)
    packed = collate_packed(rows)
    with torch.no_grad():
        together = model(packed["inputs"], packed["positions"])[0]
        alone = torch.cat([model(collate([example], pad=2)["inputs"])[0] for example in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=2e-6)


def test_rows_side_by_side_are_each_one_example(model: ChainModel) -> None:
    batch = collate(examples(4, longest=99), pad=2)
    found = []
    for attention in ("eager", BY_EXAMPLE):
        model.peft.get_base_model().set_attn_implementation(attention)
        with torch.no_grad():
            found.append(model(batch["inputs"], batch["positions"]))
    torch.testing.assert_close(*found, rtol=0, atol=2e-6)


def test_a_long_example_takes_the_blocked_kernel_to_the_same_end() -> None:
    query, key, value = torch.randn(3, 1, 2, 700, 8, generator=torch.Generator().manual_seed(1))
    found, _ = attend_by_example(torch.nn.Identity(), query, key, value, None, scaling=0.3)
    scores = (0.3 * query @ key.mT).masked_fill(torch.ones(700, 700).triu(1).bool(), float("-inf"))
    torch.testing.assert_close(found.transpose(1, 2), scores.softmax(-1) @ value, rtol=0, atol=2e-6)


def test_positions_that_ran_on_would_be_seen(model: ChainModel) -> None:
    """What the test above rests on: the scaling of queries tells where in its row a token stands."""
    model.peft.get_base_model().set_attn_implementation("eager")
    row = torch.tensor([examples(1, longest=99, seed=3)[0].tokens])
    places = torch.arange(row.shape[1])[None]
    with torch.no_grad():
        moved = model(row, places + 300) - model(row, places)
    assert moved.abs().max() > 1e-4
