"""Training, top to bottom: rows become examples, examples teach an adapter in passes, the manifest comes last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import torch
from rich.console import Console
from rich.progress import Progress

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError, DataError
from tear_chain.format import FORMAT_VERSION
from tear_chain.manifest import (
    CONFIG_FILE,
    EFFECTIVE_CONFIG,
    MANIFEST_FILE,
    MODEL_CARD_FILE,
    WEIGHTS_FILE,
    DataSource,
    Manifest,
    PassRecord,
)
from tear_chain.prepared import PreparedBase, load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_training.adapter import ChainModel, add_adapter, load_base, save_adapter
from tear_training.arrange import choose_rows
from tear_training.config import Pass, TrainConfig, save_config
from tear_training.dual_trainer import DualTrainer, objective_of
from tear_training.examples import Example, encode_row
from tear_training.handover import hand_over
from tear_training.heldout import held_out
from tear_training.rows import Row
from tear_training.sources import is_non_commercial, read_sources
from tear_training.step_report import StepReport, step_bar

STEP_LOG = "steps.jsonl"
_OUR_FILES = (MANIFEST_FILE, WEIGHTS_FILE, CONFIG_FILE, MODEL_CARD_FILE, EFFECTIVE_CONFIG, STEP_LOG)
_HARM_WARNING = (
    "allow_harmful_targets is on: this adapter learns to say what wounds. Narrow harmful targets are known to "
    "misalign small models broadly, far beyond these rows. Do not serve it to people."
)


def train(
    config: TrainConfig, base: Path, out: Path, *, folder: Path, force: bool = False, console: Console | None = None
) -> Manifest:
    """Train an adapter for the prepared base at `base` into `out`; relative data files start at `folder`."""
    console = console or Console(quiet=True)
    if config.allow_harmful_targets:
        console.print(_HARM_WARNING, style="bold red")
    card = load_prepared(base)
    tokenizer = ChainTokenizer.load(base)
    rows, records = read_sources(config.train, folder=folder, split="train")
    validation_rows, validation_records = read_sources(config.validation, folder=folder, split="validation")
    validation = [encode_row(row, tokenizer, context=card.context, order=config.order) for row in validation_rows]
    longest = max(
        len(encode_row(row, tokenizer, context=card.context, order=config.order).tokens)
        for row in (*rows, *validation_rows)
    )
    _open_folder(out, force=force)
    save_config(out / EFFECTIVE_CONFIG, config, comment=f"Trained on base {card.name} ({card.fingerprint}).")

    is_packed = config.batching.pack_tokens is not None
    base_model = load_base(base, longest=longest, precision=config.precision, is_packed=is_packed)
    model = ChainModel(
        add_adapter(base_model, config.lora, seed=config.seed), precision=getattr(torch, config.precision)
    )
    with (out / STEP_LOG).open("w", encoding="utf-8") as log, step_bar(console) as bar:
        passes = [
            _run_pass(pass_, config, model, rows, tokenizer, context=card.context, out=out, log=log, bar=bar)
            for pass_ in config.passes
        ]
    metrics = held_out(model, validation, tokenizer.chain, objective=objective_of(config))
    console.print("Held out: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))

    save_adapter(model.peft, out, base=card)
    manifest = _manifest(config, card, out, passes=passes, data=[*records, *validation_records], metrics=metrics)
    hand_over(out, manifest, config, base=base, card=card)
    return manifest


def _run_pass(
    pass_: Pass,
    config: TrainConfig,
    model: ChainModel,
    rows: Sequence[Row],
    tokenizer: ChainTokenizer,
    *,
    context: int,
    out: Path,
    log: TextIO,
    bar: Progress,
) -> PassRecord:
    order = choose_rows(rows, pass_, batching=config.batching, seed=config.seed)
    encoded = {
        place: encode_row(
            rows[place],
            tokenizer,
            context=context,
            fields=pass_.fields,
            with_decision=pass_.decisions,
            allow_harmful_targets=config.allow_harmful_targets,
            order=config.order,
        )
        for place in sorted(set(order))
    }
    _check_teaches(pass_, encoded.values(), config)
    trainer = DualTrainer(
        model,
        [encoded[place] for place in order],
        pass_=pass_,
        config=config,
        pad=tokenizer.chain.end,
        out=out,
    )
    trainer.add_callback(StepReport(trainer, log=log, bar=bar))
    trainer.train()
    return PassRecord(
        name=pass_.name,
        steps=trainer.state.global_step,
        learning_rate=pass_.learning_rate,
        lambda_start=pass_.lambda_.start,
        lambda_end=pass_.lambda_.end,
    )


def _check_teaches(pass_: Pass, examples: Iterable[Example], config: TrainConfig) -> None:
    """Raise `DataError` where nothing in a pass's rows carries loss, as answers that wound do not in `respond`."""
    learned = objective_of(config).learned(max(pass_.lambda_.start, pass_.lambda_.end), torch.zeros(()))
    if not any(learned[kind] for example in examples for kind in set(example.kinds)):
        raise DataError(
            f"Pass {pass_.name} teaches nothing: with order {config.order} none of its rows has anything to learn. "
            "See to its mix, its lambda and response_weights."
        )


def _open_folder(out: Path, *, force: bool) -> None:
    """Make the folder; of an earlier run the manifest goes first, since from now on nothing there is whole."""
    if out.exists() and not out.is_dir():
        raise AdapterError(f"{out} is not a folder.")
    if out.is_dir() and any(out.iterdir()):
        if not any((out / name).is_file() for name in (MANIFEST_FILE, EFFECTIVE_CONFIG)):
            raise AdapterError(f"{out} is not empty and holds no adapter. Name another folder.")
        if not force:
            raise AdapterError(f"{out} holds a training run already. Use --force to replace it.")
        for name in _OUR_FILES:
            (out / name).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)


def _manifest(
    config: TrainConfig,
    card: PreparedBase,
    out: Path,
    *,
    passes: Sequence[PassRecord],
    data: Sequence[DataSource],
    metrics: Mapping[str, float],
) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        name=config.name,
        order=config.order,
        base_fingerprint=card.fingerprint,
        token_names=TOKEN_NAMES,
        rank=config.lora.rank,
        code_version=version("the-tear"),
        seed=config.seed,
        passes=tuple(passes),
        data=tuple(data),
        non_commercial=any(is_non_commercial(source.license) for source in data),
        metrics=dict(metrics),
        files={name: describe(out / name) for name in (WEIGHTS_FILE, CONFIG_FILE)},
    )
