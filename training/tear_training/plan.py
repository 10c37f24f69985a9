"""What a run would do, told before anything is trained: its passes, its memory, and the time it cannot fall below."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from rich.console import Console
from rich.table import Table
from transformers import Ministral3Config

from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_training import ranks
from tear_training.config import Batching, TrainConfig
from tear_training.estimate import MemoryEstimate, MicroBatch, estimate_memory, text_parameters
from tear_training.examples import Example
from tear_training.lesson import lesson
from tear_training.packing import micro_batches
from tear_training.rehearsal import choose_texts, read_texts
from tear_training.sources import read_sources
from tear_training.trackers import check_trackers

_TIMED_S = 0.2


@dataclass(frozen=True, slots=True)
class PassPlan:
    """What a pass would go through."""

    name: str
    rows: int
    """Different ones."""
    examples: int
    """Rows as often as they are taken."""
    texts: int
    """Texts that are rehearsed beside them, as often as they are taken."""
    steps: int
    tokens: int
    learned: int
    """Tokens on which there is loss, of rows and of texts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    passes: tuple[PassPlan, ...]
    batch: MicroBatch
    """The largest."""
    memory: MemoryEstimate
    seconds: float
    """What the products of matrices alone take here; the whole takes longer."""


def plan_run(config: TrainConfig, base: Path, *, folder: Path) -> Plan:
    """Read all that `train` would read of data, and say what it would do; relative data files start at `folder`."""
    check_trackers(config.trackers)
    card, tokenizer = load_prepared(base), ChainTokenizer.load(base)
    rows, _ = read_sources(config.train, folder=folder, split="train")
    read_sources(config.validation, folder=folder, split="validation")
    texts = read_texts(config.rehearsal, tokenizer, folder=folder, context=card.context)
    lessons = [lesson(pass_, config, rows, tokenizer, context=card.context) for pass_ in config.passes]
    steps = [len(examples) // config.batching.rows_per_step for examples in lessons]
    rehearsed = [
        choose_texts(texts, pass_, config, steps=count) for pass_, count in zip(config.passes, steps, strict=True)
    ]
    shape = Ministral3Config.from_pretrained(base)
    assert isinstance(shape, Ministral3Config)
    batch = _largest(lessons, rehearsed, config.batching)
    passes = tuple(
        PassPlan(
            name=pass_.name,
            rows=len({example.row_id for example in examples}),
            examples=len(examples),
            texts=len(beside),
            steps=count,
            tokens=sum(len(example.tokens) for example in (*examples, *beside)),
            learned=sum(_learned(example) for example in (*examples, *beside)),
        )
        for pass_, examples, beside, count in zip(config.passes, lessons, rehearsed, steps, strict=True)
    )
    is_against_base = config.rehearsal is not None and config.rehearsal.against == "base"
    read_again = sum(_learned(example) for beside in rehearsed for example in beside) if is_against_base else 0
    seconds = _least_seconds(shape, config, passes, read_again=read_again)
    return Plan(passes, batch, estimate_memory(shape, config, batch=batch), seconds)


def show_plan(plan: Plan, config: TrainConfig, console: Console) -> None:
    """Print the resolved configuration and the plan."""
    values = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    console.print(yaml.safe_dump(values, sort_keys=False), markup=False, highlight=False)
    rehearsed = ["texts"] if config.rehearsal else []
    table = Table("pass", "rows", "taken", *rehearsed, "steps", "tokens", "learned")
    for each in plan.passes:
        figures = (each.rows, each.examples, *([each.texts] * len(rehearsed)), each.steps, each.tokens, each.learned)
        table.add_row(each.name, *(f"{figure:,}" for figure in figures))
    console.print(table)
    batch, memory = plan.batch, plan.memory
    console.print(f"Largest micro-batch: {batch.rows} rows of {batch.length:,} tokens, {batch.learned:,} learned.")
    parts = {name: getattr(memory, name) for name in MemoryEstimate.__slots__}
    told = ", ".join(f"{name} {_size(bytes_)}" for name, bytes_ in parts.items())
    console.print(f"Memory, beside that of Python itself, about {_size(memory.total)}: {told}.", highlight=False)
    console.print(f"Time, at the least, on this machine alone: {plan.seconds / 60:,.1f} minutes.", highlight=False)


def _largest(
    lessons: Sequence[Sequence[Example]], rehearsed: Sequence[Sequence[Example]], batching: Batching
) -> MicroBatch:
    found = [
        _measure(part, batching)
        for examples, texts in zip(lessons, rehearsed, strict=True)
        for part in micro_batches(examples, batching, texts=texts).batches
    ]
    return max(found, key=lambda batch: (batch.rows * batch.length, batch.learned))


def _measure(part: Sequence[Example], batching: Batching) -> MicroBatch:
    lengths, learned = [len(each.tokens) - 1 for each in part], sum(map(_learned, part))
    if batching.pack_tokens is not None:
        return MicroBatch(1, sum(lengths), learned)
    return MicroBatch(len(part), max(lengths), learned)


def _learned(example: Example) -> int:
    return sum(kind != 0 for kind in example.kinds[1:])


def _least_seconds(
    base: Ministral3Config, config: TrainConfig, passes: Sequence[PassPlan], *, read_again: int
) -> float:
    # Each way is one product with every weight, two operations each: forth, back to the inputs, and forth once more
    # where layers are computed again. Frozen weights have no gradient of their own, so there is no third product.
    ways = 3 if config.gradient_checkpointing else 2
    layers = 2 * ways * text_parameters(base) * sum(each.tokens for each in passes)
    head = 2 * 2 * base.vocab_size * base.hidden_size * sum(each.learned for each in passes)
    # What is held against the base is read by the base as well: forth alone, and once through the head.
    again = 2 * read_again * (text_parameters(base) + base.vocab_size * base.hidden_size)
    return (layers + head + again) / _operations_per_second(base, getattr(torch, config.precision))


def _operations_per_second(base: Ministral3Config, precision: torch.dtype) -> float:
    """What this machine does on products of the base's own shape."""
    device = ranks.device()
    states = torch.ones((256, base.hidden_size), dtype=precision, device=device)
    weight = torch.ones((base.hidden_size, base.intermediate_size), dtype=precision, device=device)
    end_s, fastest_s = time.monotonic() + _TIMED_S, math.inf
    while time.monotonic() < end_s or fastest_s is math.inf:
        begun_s = time.monotonic()
        (states @ weight)[0, 0].item()
        fastest_s = min(fastest_s, time.monotonic() - begun_s)
    return 2 * states.numel() * base.intermediate_size / fastest_s


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e8 else f"{bytes_ / 1e6:.1f} MB"
