"""Hugging Face's training loop with the dual-objective loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tear_chain.errors import TrainingError
from tear_chain.format import SegmentKind
from tear_training.adapter import ChainModel
from tear_training.config import Pass, TrainConfig
from tear_training.examples import Batch, Example, Examples, collate, collate_packed
from tear_training.loss import DualLoss, Objective, dual_loss, kind_sums, segment_counts, segment_sums, token_weights
from tear_training.packing import micro_batches


class DualTrainer(Trainer):
    """Hugging Face's loop with the dual-objective loss: every division is by the counts of the whole step."""

    # The loss comes divided by the whole step's counts; Trainer must not divide it once more.
    loss_is_scaled_for_ga = True

    def __init__(
        self, model: ChainModel, examples: Sequence[Example], *, pass_: Pass, config: TrainConfig, pad: int, out: Path
    ) -> None:
        steps = len(examples) // config.batching.rows_per_step
        micro = micro_batches(examples, config.batching)
        is_packed = config.batching.pack_tokens is not None
        arguments = TrainingArguments(
            output_dir=str(out),
            num_train_epochs=1,
            # An item of the data set is a whole micro-batch.
            per_device_train_batch_size=1,
            gradient_accumulation_steps=micro.per_step,
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
            train_dataset=Examples(micro.batches),
            data_collator=lambda chosen: dict(collate_packed(chosen[0]) if is_packed else collate(chosen[0], pad=pad)),
        )
        self.remove_callback(PrinterCallback)
        self.pass_ = pass_
        self.objective: Objective = objective_of(config)
        self.step = StepTotals()
        self._examples = examples
        self._rows_per_step = config.batching.rows_per_step

    @property
    def lambda_(self) -> float:
        """λ of the step at hand."""
        return self.pass_.lambda_.at(self.state.global_step / max(1, self.state.max_steps - 1))

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Tensor:
        """Tokens of each kind over all micro-batches and ranks of the step, and what they weigh: `(2, kinds)`.

        Trainer has one number.
        """
        counts = torch.stack([self._counts(batch) for batch in batch_samples]).sum(0).to(device)
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
        sums = kind_sums(
            model(inputs["inputs"], inputs["positions"]),
            self._chain.head,
            inputs["targets"],
            inputs["kinds"],
            objective=self.objective,
            lambda_=self.lambda_,
            weights=token_weights(inputs["kinds"], inputs["positions"], self.objective),
        )
        counts, weights = self._counts(inputs) if num_items_in_batch is None else num_items_in_batch
        loss = dual_loss(sums, weights, self.objective, lambda_=self.lambda_)
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

    def _counts(self, batch: Batch) -> Tensor:
        kinds, weights = batch["kinds"], token_weights(batch["kinds"], batch["positions"], self.objective)
        return torch.stack([segment_counts(kinds), segment_sums(weights.flatten(), kinds.flatten())])

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


def objective_of(config: TrainConfig) -> Objective:
    """What the configuration has learned of what."""
    weights = config.response_weights
    return Objective(
        response={
            SegmentKind.DRAFT: weights.draft,
            SegmentKind.DECISION: weights.decision,
            SegmentKind.REVISED: weights.revised,
        },
        consequence={SegmentKind.WITNESS: 1.0},
        normalize=config.normalize,
    )
