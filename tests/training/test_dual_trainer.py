"""Laws of an optimizer step, on a tiny random model: what it adds up to, however its rows are laid out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import pytest
import torch
from torch import Tensor

from tear_chain.format import Order, SegmentKind
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import ChainTokens
from tear_training.adapter import ChainModel, add_adapter, load_base
from tear_training.attention import BY_EXAMPLE, register
from tear_training.config import LoraSettings, TrainConfig
from tear_training.dual_trainer import DualTrainer
from tear_training.examples import Example, encode_row
from tear_training.loss import KINDS, REHEARSAL
from tear_training.rows import Row

WITNESS = KINDS.index(SegmentKind.WITNESS)
REHEARSED = KINDS.index(REHEARSAL)
NORMALIZERS = ["segment", "token", "example"]
STEPS = 3
TOKENS = ChainTokens(draft=100, witness=101, fields={}, weights={}, decisions={}, end=2)
Fresh = Callable[[], ChainModel]
Run = tuple[list[float], Tensor]
"""The losses of a run's steps, and its adapter's weights at the end."""


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


@pytest.fixture(scope="module")
def fresh(tiny_base: Path) -> Fresh:
    """The same model anew, each time; its adapter is not zero anywhere, so every weight has a gradient."""
    register()
    base = load_base(tiny_base, longest=512)
    model = ChainModel(add_adapter(base, LoraSettings(rank=8), seed=1), precision=torch.float32)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in trainable(model):
            weight.normal_(std=0.05, generator=generator)
    return lambda: copy.deepcopy(model)


def trainable(model: ChainModel) -> list[Tensor]:
    return [weight for weight in model.parameters() if weight.requires_grad]


ROWS = [
    ("Rest a while.", {"who": "A father.", "impact": "He breathed out.", "ripples": "He slept.", "weight": 2}, None),
    ("Stop it.", {"who": "A son.", "impact": "He went quiet.", "weight": -2}, "You need rest, not advice."),
    ("Hm.", {"impact": "She shrugged.", "weight": 0}, None),
    ("I hear you.", {"impact": "She told more, and then more."}, None),
]
"""Answers of every kind with scenes whole and in part: answer, scene, better answer."""


def told(tokenizer: ChainTokenizer, order: Order) -> list[Example]:
    rows = [
        Row.model_validate(
            {"id": f"r{place}", "situation_id": "s", "input": "I am tired.", "response": response, "revised": revised}
            | {"consequence": scene, "component": "warmth", "difficulty": "obvious", "culture": "none"}
            | {"language": "en", "source": "test", "license": "Apache-2.0"}
            | {"provenance": {"kind": "curated", "generator": "test"}}
        )
        for place, (response, scene, revised) in enumerate(ROWS)
    ]
    return [encode_row(row, tokenizer, context=2048, order=order) for row in rows]


def scattered(count: int) -> list[Example]:
    """Examples of lengths that differ, with every kind in each."""
    rng = Random(4)
    lengths = [rng.randint(12, 40) for _ in range(count)]
    return [
        Example(
            f"r{place}",
            tuple(rng.randrange(200, 1500) for _ in range(length)),
            tuple(sorted(rng.randrange(len(SegmentKind)) for _ in range(length))),
        )
        for place, length in enumerate(lengths)
    ]


def trainer_of(
    model: ChainModel,
    examples: Sequence[Example],
    out: Path,
    *,
    texts: Sequence[Example] = (),
    lambda_: object = 0.4,
    **changes: Any,
) -> DualTrainer:
    only = {"name": "only", "mix": {"opening": 1}, "learning_rate": 1e-3, "warmup": 0, "lambda": lambda_}
    world = {"world": {"seed": 1, "split": "train", "rows": 8}}
    values = {"name": "tiny", "train": [world], "validation": [world], "passes": [only]}
    config = TrainConfig.model_validate({"batching": {"rows_per_step": 8, "micro_rows": 8}} | values | changes)
    return DualTrainer(
        model,
        examples,
        texts=texts,
        validation=[],
        pass_=config.passes[0],
        config=config,
        tokens=TOKENS,
        folder=out,
    )


def naive(model: ChainModel, examples: Sequence[Example], normalize: str, lambda_: float) -> Tensor:
    """The loss as its definition reads: one example at a time, full logits, float64."""
    response: list[list[Tensor]] = []
    consequence: list[list[Tensor]] = []
    for example in examples:
        hidden = model(torch.tensor([example.tokens[:-1]]))[0].double()
        logprobs = (hidden @ model.head.double().T).log_softmax(-1)
        told = list(zip(logprobs, example.tokens[1:], example.kinds[1:], strict=True))
        response.append([-row[token] for row, token, kind in told if kind not in (0, WITNESS)])
        consequence.append([-row[token] for row, token, kind in told if kind == WITNESS])
    if normalize == "example":
        return mean([mean(part) for part in response if part]) + lambda_ * mean(
            [mean(part) for part in consequence if part]
        )
    said, seen = list(chain(*response)), list(chain(*consequence))
    if normalize == "token":
        return (total(said) + lambda_ * total(seen)) / (len(said) + lambda_ * len(seen))
    return mean(said) + lambda_ * mean(seen)


def total(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum() if parts else torch.zeros((), dtype=torch.float64)


def mean(parts: list[Tensor]) -> Tensor:
    return total(parts) / max(1, len(parts))


@pytest.mark.parametrize("normalize", NORMALIZERS)
@pytest.mark.parametrize("order", list(Order))
def test_loss_and_gradients_are_those_of_the_definition_in_float64(
    order: Order, normalize: str, tokenizer: ChainTokenizer, fresh: Fresh, tmp_path: Path
) -> None:
    examples = told(tokenizer, order)
    batching = {"rows_per_step": 4, "micro_rows": 2}
    model = fresh()
    trainer = trainer_of(model, examples, tmp_path, normalize=normalize, batching=batching)
    batches, counts = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 2, torch.device("cpu"))
    ours = torch.stack([trainer.compute_loss(model, batch, num_items_in_batch=counts) for batch in batches]).sum()
    theirs = naive(model, examples, normalize, 0.4)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    weights = trainable(model)
    for mine, right in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(theirs, weights), strict=True):
        assert (mine - right).norm() <= 1e-5 * right.norm()


LAYOUTS = {
    "2x4": {"micro_rows": 4},
    "8x1": {"micro_rows": 1},
    "1-pack": {"pack_tokens": 4096},
    "packs": {"pack_tokens": 90},
}


@pytest.fixture(scope="module")
def whole(fresh: Fresh, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs of one micro-batch a step, by normalizer."""
    out = tmp_path_factory.mktemp("whole")
    return {each: trained(fresh(), scattered(8 * STEPS), out, normalize=each) for each in NORMALIZERS}


@pytest.mark.parametrize(
    ("normalize", "layout"), [*(("segment", each) for each in LAYOUTS), ("token", "packs"), ("example", "packs")]
)
def test_rows_take_the_same_path_however_they_are_laid_out(
    normalize: str, layout: str, fresh: Fresh, whole: dict[str, Run], tmp_path: Path
) -> None:
    batching = {"rows_per_step": 8} | LAYOUTS[layout]
    model = fresh()
    if "pack_tokens" in batching:
        model.peft.get_base_model().set_attn_implementation(BY_EXAMPLE)
    losses, weights = trained(model, scattered(8 * STEPS), tmp_path, normalize=normalize, batching=batching)
    right_losses, right = whole[normalize]
    assert losses == pytest.approx(right_losses, rel=1e-6)
    # As a whole: Adam divides by the gradient, so a weight whose gradient is nearly zero is moved by its rounding.
    assert (weights - right).norm() <= 1e-6 * right.norm()


@pytest.mark.parametrize("normalize", NORMALIZERS)
def test_lambda_zero_is_to_the_last_bit_a_run_without_consequences(
    normalize: str, fresh: Fresh, tmp_path: Path
) -> None:
    examples = scattered(8 * STEPS)
    without = [replace(each, kinds=tuple(0 if kind == WITNESS else kind for kind in each.kinds)) for each in examples]
    _, zero = trained(fresh(), examples, tmp_path, normalize=normalize, lambda_=0)
    _, absent = trained(fresh(), without, tmp_path, normalize=normalize, lambda_=1)
    assert torch.equal(zero, absent)


def told_plainly(count: int) -> list[Example]:
    """Texts to rehearse, some longer than any row."""
    rng = Random(5)
    lengths = [rng.randint(2, 60) for _ in range(count)]
    return [
        Example(f"t{place}", tuple(rng.randrange(200, 1500) for _ in range(length)), (0, *[REHEARSED] * (length - 1)))
        for place, length in enumerate(lengths)
    ]


def naive_divergence(model: ChainModel, texts: Sequence[Example]) -> Tensor:
    """KL(base || trained), the mean over all places of all texts."""
    found = []
    for text in texts:
        tokens = torch.tensor([text.tokens[:-1]])
        trained = (model(tokens)[0].double() @ model.head.double().T).log_softmax(-1)
        with torch.no_grad(), model.peft.disable_adapter():
            base = (model(tokens)[0].double() @ model.head.double().T).log_softmax(-1)
        found += list((base.exp() * (base - trained)).sum(-1))
    return mean(found)


REHEARSAL_LAYOUTS = {
    "1x8": {"micro_rows": 8},
    "2x4": {"micro_rows": 4},
    "8x1": {"micro_rows": 1},
    "1-pack": {"pack_tokens": 4096},
    "packs": {"pack_tokens": 110},
}


@pytest.mark.parametrize(
    ("normalize", "layout", "against"),
    [
        *(("segment", layout, against) for layout in REHEARSAL_LAYOUTS for against in ("text", "base")),
        ("token", "2x4", "text"),
        ("example", "2x4", "text"),
        ("example", "packs", "base"),
    ],
)
def test_rehearsal_adds_mu_times_the_mean_over_the_texts_of_the_step(
    normalize: str, layout: str, against: str, fresh: Fresh, tmp_path: Path
) -> None:
    rows, texts, model = scattered(8), told_plainly(3), fresh()
    batching = {"rows_per_step": 8} | REHEARSAL_LAYOUTS[layout]
    if "pack_tokens" in batching:
        model.peft.get_base_model().set_attn_implementation(BY_EXAMPLE)
    rehearsal = {"file": "unread.txt", "weight": 0.3, "against": against}
    trainer = trainer_of(
        model, rows, tmp_path, texts=texts, normalize=normalize, batching=batching, rehearsal=rehearsal
    )
    loader = trainer.get_train_dataloader()
    batches, counts = trainer.get_batch_samples(iter(loader), len(loader), torch.device("cpu"))
    ours = torch.stack([trainer.compute_loss(model, batch, num_items_in_batch=counts) for batch in batches]).sum()
    model.peft.get_base_model().set_attn_implementation("eager")
    plain = naive(model, texts, "segment", 0.0) if against == "text" else naive_divergence(model, texts)
    theirs = naive(model, rows, normalize, 0.4) + 0.3 * plain
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert trainer.step.rehearsal == pytest.approx(plain.item(), rel=1e-5)
    weights = trainable(model)
    for mine, right in zip(torch.autograd.grad(ours, weights), torch.autograd.grad(theirs, weights), strict=True):
        assert (mine - right).norm() <= 1e-5 * right.norm()


def test_lambda_zero_still_says_what_consequences_cost(fresh: Fresh, tmp_path: Path) -> None:
    model, examples = fresh(), scattered(8)
    trainer = trainer_of(model, examples, tmp_path, lambda_=0)
    (batch,), counts = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, torch.device("cpu"))
    trainer.compute_loss(model, batch, num_items_in_batch=counts)
    expected = naive(model, examples, "segment", 1.0) - naive(model, examples, "segment", 0.0)
    assert trainer.step.consequence == pytest.approx(expected.item(), rel=1e-5)


def trained(model: ChainModel, examples: Sequence[Example], out: Path, **changes: Any) -> Run:
    trainer = trainer_of(model, examples, Path(mkdtemp(dir=out)), **changes)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return losses, torch.cat([weight.detach().flatten() for weight in trainable(model)])
