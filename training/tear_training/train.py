"""Training, top to bottom: rows become examples, examples teach an adapter in passes, the manifest comes last."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError
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
    load_manifest,
)
from tear_chain.prepared import PreparedBase, load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_training import ranks
from tear_training.adapter import ChainModel, add_adapter, load_base, save_adapter
from tear_training.config import Pass, TrainConfig, save_config
from tear_training.consequences import label
from tear_training.dual_trainer import DualTrainer, objective_of
from tear_training.examples import Example, encode_row
from tear_training.handover import hand_over
from tear_training.heldout import held_out
from tear_training.interruption import Interruption, StopWhenAsked
from tear_training.lesson import lesson
from tear_training.rehearsal import Texts, choose_texts, read_texts
from tear_training.rows import Row
from tear_training.run_log import LOGS, RunLog
from tear_training.run_state import (
    CHECKPOINTS,
    RUN_FILE,
    RunCard,
    begin,
    check_same,
    close_pass,
    last_checkpoint,
)
from tear_training.sources import is_non_commercial, read_sources
from tear_training.step_report import StepReport, step_bar
from tear_training.trackers import CURVES, check_trackers, tracking

_OUR_FILES = (MANIFEST_FILE, WEIGHTS_FILE, CONFIG_FILE, MODEL_CARD_FILE, EFFECTIVE_CONFIG, *LOGS)
_HARM_WARNING = (
    "allow_harmful_targets is on: this adapter learns to say what wounds. Narrow harmful targets are known to "
    "misalign small models broadly, far beyond these rows. Do not serve it to people."
)


def train(
    config: TrainConfig,
    base: Path,
    out: Path,
    *,
    folder: Path,
    force: bool = False,
    resume: bool = False,
    console: Console | None = None,
) -> Manifest:
    """Train an adapter for the prepared base at `base` into `out`; relative data files start at `folder`.

    `resume` goes on with a run that `out` holds, from its last checkpoint; where there is none it begins one. Of
    several processes the first one alone writes and speaks.
    """
    writes = ranks.is_first()
    console = console if console is not None and writes else Console(quiet=True)
    check_trackers(config.trackers)
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
    texts = read_texts(config.rehearsal, tokenizer, folder=folder, context=card.context)
    data = (*label(records, config.consequences), *texts.records, *validation_records)
    run = RunCard(base_fingerprint=card.fingerprint, data=data)
    is_begun = resume and (out / CHECKPOINTS / RUN_FILE).is_file()
    if resume and (out / MANIFEST_FILE).is_file():
        shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
        return load_manifest(out)
    ranks.wait_for_all()
    if is_begun:
        check_same(out, config, run)
    elif writes:
        _open_folder(out, force=force or resume)
        save_config(out / EFFECTIVE_CONFIG, config, comment=f"Trained on base {card.name} ({card.fingerprint}).")
        begin(out, run)
    ranks.wait_for_all()

    base_model = load_base(
        base,
        longest=max(longest, texts.longest),
        precision=config.precision,
        is_packed=config.batching.pack_tokens is not None,
        weights=config.base_weights,
        gradient_checkpointing=config.gradient_checkpointing,
    )
    model = ChainModel(
        add_adapter(base_model, config.lora, seed=config.seed), precision=getattr(torch, config.precision)
    )
    with Interruption() as interruption, step_bar(console) as bar:
        passes = [
            _run_pass(
                pass_, config, model, rows, tokenizer,
                texts=texts, validation=validation, context=card.context, out=out, bar=bar, interruption=interruption,
            )
            for pass_ in config.passes
        ]  # fmt: skip
    metrics = held_out(model, validation, tokenizer.chain, objective=objective_of(config))
    console.print("Held out: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))

    if writes:
        save_adapter(model.peft, out, base=card)
        manifest = _manifest(config, card, out, passes=passes, data=run.data, metrics=metrics)
        hand_over(out, manifest, config, base=base, card=card)
        shutil.rmtree(out / CHECKPOINTS)
    ranks.wait_for_all()
    return load_manifest(out)


def _run_pass(
    pass_: Pass,
    config: TrainConfig,
    model: ChainModel,
    rows: Sequence[Row],
    tokenizer: ChainTokenizer,
    *,
    texts: Texts,
    validation: Sequence[Example],
    context: int,
    out: Path,
    bar: Progress,
    interruption: Interruption,
) -> PassRecord:
    state = out / CHECKPOINTS / pass_.name
    last = last_checkpoint(state)
    if last is not None and last.ends_pass:
        return close_pass(pass_, config, model.peft, folder=state)
    writes = ranks.is_first()
    examples = lesson(pass_, config, rows, tokenizer, context=context)
    # Trackers look around when the trainer is made.
    with tracking(config.trackers, out, run=pass_.name):
        trainer = DualTrainer(
            model,
            examples,
            texts=choose_texts(texts, pass_, config, steps=len(examples) // config.batching.rows_per_step),
            validation=validation,
            pass_=pass_,
            config=config,
            tokens=tokenizer.chain,
            folder=state,
        )
        steps, evaluations = (RunLog(out / name, writes=writes) for name in LOGS)
        trainer.add_callback(StepReport(trainer, steps=steps, evaluations=evaluations, bar=bar))
        trainer.add_callback(StopWhenAsked(interruption))
        trainer.train(resume_from_checkpoint=str(last.folder) if last else None)
    return close_pass(pass_, config, model.peft, folder=state)


def _open_folder(out: Path, *, force: bool) -> None:
    """Make the folder; of an earlier run the manifest goes first, since from now on nothing there is whole."""
    if out.exists() and not out.is_dir():
        raise AdapterError(f"{out} is not a folder.")
    if out.is_dir() and any(out.iterdir()):
        if not any((out / name).is_file() for name in (MANIFEST_FILE, EFFECTIVE_CONFIG)):
            raise AdapterError(f"{out} is not empty and holds no adapter. Name another folder.")
        if not force:
            further = "" if (out / MANIFEST_FILE).is_file() else ", or --resume to go on with it"
            raise AdapterError(f"{out} holds a training run already. Use --force to replace it{further}.")
        for name in _OUR_FILES:
            (out / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, CURVES):
            shutil.rmtree(out / name, ignore_errors=True)
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
