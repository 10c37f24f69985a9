"""Training, top to bottom: rows become examples, examples teach an adapter in passes, the manifest comes last."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError, TrainingError
from tear_chain.format import FORMAT_VERSION, SegmentKind
from tear_chain.manifest import (
    CONFIG_FILE,
    DRAFT_WITNESS_REVISE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    DataSource,
    Manifest,
    PassRecord,
    save_manifest,
)
from tear_chain.prepared import PreparedBase, load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_training.adapter import ChainModel, add_adapter, load_base, save_adapter
from tear_training.arrange import choose_rows
from tear_training.config import Pass, TrainConfig, save_config
from tear_training.examples import Batch, Example, Examples, collate, encode_row
from tear_training.heldout import held_out
from tear_training.loss import DualLoss, Objective, dual_loss, segment_counts, segment_sums, token_nll
from tear_training.rows import Row
from tear_training.sources import is_non_commercial, read_sources

EFFECTIVE_CONFIG = "training.yaml"
STEP_LOG = "steps.jsonl"
_OUR_FILES = (MANIFEST_FILE, WEIGHTS_FILE, CONFIG_FILE, EFFECTIVE_CONFIG, STEP_LOG)
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
    validation = [encode_row(row, tokenizer, context=card.context) for row in validation_rows]
    longest = max(len(encode_row(row, tokenizer, context=card.context).tokens) for row in (*rows, *validation_rows))
    _open_folder(out, force=force)
    save_config(out / EFFECTIVE_CONFIG, config, comment=f"Trained on base {card.name} ({card.fingerprint}).")

    base_model = load_base(base, longest=longest)
    model = ChainModel(
        add_adapter(base_model, config.lora, seed=config.seed), precision=getattr(torch, config.precision)
    )
    with (out / STEP_LOG).open("w", encoding="utf-8") as log, _bar(console) as bar:
        passes = [
            _run_pass(pass_, config, model, rows, tokenizer, context=card.context, out=out, log=log, bar=bar)
            for pass_ in config.passes
        ]
    metrics = held_out(model, validation, tokenizer.chain, objective=_objective(config))
    console.print("Held out: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))

    save_adapter(model.peft, out, base=card)
    manifest = _manifest(config, card, out, passes=passes, data=[*records, *validation_records], metrics=metrics)
    save_manifest(out, manifest)
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
        )
        for place in sorted(set(order))
    }
    trainer = DualTrainer(
        model,
        [encoded[place] for place in order],
        pass_=pass_,
        config=config,
        pad=tokenizer.chain.end,
        out=out,
    )
    trainer.add_callback(_Report(trainer, log=log, bar=bar))
    trainer.train()
    return PassRecord(
        name=pass_.name,
        steps=trainer.state.global_step,
        learning_rate=pass_.learning_rate,
        lambda_start=pass_.lambda_.start,
        lambda_end=pass_.lambda_.end,
    )


class DualTrainer(Trainer):
    """Hugging Face's loop with the dual-objective loss: every division is by the counts of the whole step."""

    # The loss comes divided by the whole step's counts; Trainer must not divide it once more.
    loss_is_scaled_for_ga = True

    def __init__(
        self, model: ChainModel, examples: Sequence[Example], *, pass_: Pass, config: TrainConfig, pad: int, out: Path
    ) -> None:
        steps = len(examples) // config.batching.rows_per_step
        arguments = TrainingArguments(
            output_dir=str(out),
            num_train_epochs=1,
            per_device_train_batch_size=config.batching.micro_rows,
            gradient_accumulation_steps=config.batching.rows_per_step // config.batching.micro_rows,
            # The order was drawn by `choose_rows`, and a run must be repeatable from it.
            train_sampling_strategy="sequential",
            learning_rate=pass_.learning_rate,
            lr_scheduler_type="cosine_with_min_lr",
            lr_scheduler_kwargs={"min_lr_rate": pass_.floor},
            warmup_steps=math.ceil(pass_.warmup * steps),
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            seed=config.seed,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=Examples(examples),
            data_collator=lambda chosen: dict(collate(chosen, pad=pad)),
        )
        self.remove_callback(PrinterCallback)
        self.pass_ = pass_
        self.objective: Objective = _objective(config)
        self.step = StepTotals()
        self._examples = examples
        self._rows_per_step = config.batching.rows_per_step

    @property
    def lambda_(self) -> float:
        """λ of the step at hand."""
        return self.pass_.lambda_.at(self.state.global_step / max(1, self.state.max_steps - 1))

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor:
        """Tokens of each kind over all micro-batches and ranks of the step `(kinds,)`; Trainer has one number."""
        counts = torch.stack([segment_counts(batch["kinds"]) for batch in batch_samples]).sum(0).to(device)
        if self.args.world_size > 1:
            counts = self.accelerator.gather(counts[None]).sum(0)
        return counts

    def compute_loss(  # type: ignore[override]
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | None = None,
    ) -> Tensor:
        """This micro-batch's part of the step's loss."""
        learned = inputs["kinds"] != 0
        hidden = model(inputs["inputs"])[learned]
        kinds = inputs["kinds"][learned]
        sums = segment_sums(token_nll(hidden, self._chain.head, inputs["targets"][learned]), kinds)
        counts = segment_counts(kinds) if num_items_in_batch is None else num_items_in_batch
        loss = dual_loss(sums, counts, self.objective, lambda_=self.lambda_)
        if not math.isfinite(loss.total.item()):
            raise TrainingError(f"The loss is {loss.total.item()} {self.whereabouts()}.")
        self.step.add(loss, counts=counts, positions=inputs["inputs"].numel())
        # DDP averages gradients over ranks; the counts are already those of all ranks.
        total: Tensor = loss.total * self.accelerator.num_processes
        return total

    def whereabouts(self) -> str:
        """Pass, step and rows at hand, for an error message."""
        step = self.state.global_step
        rows = self._examples[step * self._rows_per_step : (step + 1) * self._rows_per_step]
        return f"in pass {self.pass_.name}, step {step + 1}, on rows {', '.join(row.row_id for row in rows)}"

    @property
    def _chain(self) -> ChainModel:
        model = self.accelerator.unwrap_model(self.model)
        assert isinstance(model, ChainModel)
        return model


@dataclass(slots=True)
class StepTotals:
    """What one optimizer step came to, added up over its micro-batches."""

    response: float = 0.0
    consequence: float = 0.0
    total: float = 0.0
    learned: int = 0
    positions: int = 0

    def add(self, loss: DualLoss, *, counts: Tensor, positions: int) -> None:
        """Add a micro-batch; `counts` are those of the whole step."""
        self.response += loss.response.item()
        self.consequence += loss.consequence.item()
        self.total += loss.total.item()
        self.learned = int(counts.sum())
        self.positions += positions


class _Report(TrainerCallback):
    """Tells the progress bar and the JSONL log of every step."""

    def __init__(self, trainer: DualTrainer, *, log: TextIO, bar: Progress) -> None:
        self._trainer = trainer
        self._log = log
        self._bar = bar
        self._task: TaskID | None = None
        self._lambda = 0.0
        self._before_s = 0.0
        self._rate = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._task = self._bar.add_task(
            self._trainer.pass_.name,
            total=state.max_steps,
            response=math.nan,
            consequence=math.nan,
            lambda_=math.nan,
            rate=0.0,
        )
        self._before_s = time.monotonic()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._trainer.step = StepTotals()
        self._lambda = self._trainer.lambda_

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        if logs is None or "grad_norm" not in logs:
            return
        step, now_s = self._trainer.step, time.monotonic()
        seconds, self._before_s = now_s - self._before_s, now_s
        if not math.isfinite(logs["grad_norm"]):
            where = f"pass {self._trainer.pass_.name}, step {state.global_step}"
            raise TrainingError(f"The gradient's norm is {logs['grad_norm']} in {where}.")
        line = {
            "pass": self._trainer.pass_.name,
            "step": state.global_step,
            "loss": step.total,
            "response": step.response,
            "consequence": step.consequence,
            "lambda": self._lambda,
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "learned_tokens": step.learned,
            "seconds": round(seconds, 4),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()
        rate = step.positions / seconds
        self._rate = rate if not self._rate else 0.9 * self._rate + 0.1 * rate
        if self._task is not None:
            self._bar.update(
                self._task,
                completed=state.global_step,
                response=step.response,
                consequence=step.consequence,
                lambda_=self._lambda,
                rate=self._rate,
            )


def _bar(console: Console) -> Progress:
    return Progress(
        # Eighty columns hold it all: the losses of response and consequence, λ, speed and what is left.
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=8),
        MofNCompleteColumn(),
        TextColumn("resp. {task.fields[response]:.3f} cons. {task.fields[consequence]:.3f}"),
        TextColumn("λ {task.fields[lambda_]:.2f}"),
        TextColumn("{task.fields[rate]:,.0f} tok/s"),
        TimeRemainingColumn(),
        console=console,
    )


def _objective(config: TrainConfig) -> Objective:
    weights = config.response_weights
    return Objective(
        response={
            SegmentKind.DRAFT: weights.draft,
            SegmentKind.DECISION: weights.decision,
            SegmentKind.REVISED: weights.revised,
        },
        consequence={SegmentKind.WITNESS: 1.0},
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
        order=DRAFT_WITNESS_REVISE,
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
