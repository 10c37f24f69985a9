"""Hugging Face's training loop with the dual-objective loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import EarlyStoppingCallback
from transformers.trainer_callback import PrinterCallback

from tear_chain.errors import TrainingError
from tear_chain.format import SegmentKind
from tear_chain.tokens import ChainTokens
from tear_training import ranks
from tear_training.adapter import ChainModel
from tear_training.arguments import training_arguments
from tear_training.config import Pass, TrainConfig
from tear_training.distillation import divergence_sums, without_texts
from tear_training.examples import Batch, Example, Examples, collate, collate_packed
from tear_training.heldout import held_out
from tear_training.loss import DualLoss, Objective, dual_loss, kind_sums, segment_counts, segment_sums, token_weights
from tear_training.packing import micro_batches
from tear_training.run_state import CheckpointingTrainer, last_checkpoint


class DualTrainer(CheckpointingTrainer):
    """Hugging Face's loop with the dual-objective loss: every division is by the counts of the whole step."""

    # The loss comes divided by the whole step's counts; Trainer must not divide it once more.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: ChainModel,
        examples: Sequence[Example],
        *,
        texts: Sequence[Example] = (),
        validation: Sequence[Example],
        pass_: Pass,
        config: TrainConfig,
        tokens: ChainTokens,
        folder: Path,
    ) -> None:
        steps = len(examples) // config.batching.rows_per_step
        micro = micro_batches(examples, config.batching, texts=texts, ranks=ranks.count())
        is_packed = config.batching.pack_tokens is not None
        super().__init__(
            model=model,
            args=training_arguments(
                pass_, config, steps=steps, micro_batches=micro.per_step // ranks.count(), folder=folder
            ),
            train_dataset=Examples(micro.batches),
            eval_dataset=Examples(validation),
            data_collator=lambda chosen: dict(
                collate_packed(chosen[0]) if is_packed else collate(chosen[0], pad=tokens.end)
            ),
        )
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            raise TrainingError("The base is held whole by every process: sharding it (FSDP, DeepSpeed) is not built.")
        self.remove_callback(PrinterCallback)
        self.pass_ = pass_
        self.objective: Objective = objective_of(config)
        self.step = StepTotals()
        self.rehearses = bool(texts)
        self._is_against_base = config.rehearsal is not None and config.rehearsal.against == "base"
        self._examples = examples
        self._validation = validation
        self._tokens = tokens
        self._folder = folder
        self._rows_per_step = config.batching.rows_per_step
        if config.evaluation.patience is not None:
            self.add_callback(EarlyStoppingCallback(config.evaluation.patience))

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
        hidden = model(inputs["inputs"], inputs["positions"])
        kinds = inputs["kinds"]
        sums = kind_sums(
            hidden,
            self._chain.head,
            inputs["targets"],
            without_texts(kinds) if self._is_against_base else kinds,
            objective=self.objective,
            lambda_=self.lambda_,
            weights=token_weights(kinds, inputs["positions"], self.objective),
        )
        if self._is_against_base:
            sums = sums + divergence_sums(self._chain, hidden, inputs, is_learned=self.objective.rehearsal != 0)
        counts, weights = self._counts(inputs) if num_items_in_batch is None else num_items_in_batch
        loss = dual_loss(sums, weights, self.objective, lambda_=self.lambda_)
        if not math.isfinite(loss.total.item()):
            raise TrainingError(f"The loss is {loss.total.item()} {self.whereabouts()}.")
        self.step.add(loss, counts=counts, positions=inputs["inputs"].numel())
        # DDP averages gradients over ranks; the counts are already those of all ranks.
        total: Tensor = loss.total * self.accelerator.num_processes
        return total

    def evaluate(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Held-out figures of the model as it is; Trainer's own evaluation would average means of batches."""
        figures = held_out(self._chain, self._validation, self._tokens, objective=self.objective)
        metrics = {f"eval_{name}": value for name, value in figures.items()}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add a step's losses and λ to what is told of it, so that they reach every tracker."""
        if "grad_norm" in logs:
            if self.accelerator.num_processes > 1:
                self.step.add_up(lambda sums: self.accelerator.reduce(sums, reduction="sum"))
            step = self.step
            logs |= {"loss": step.total, "response": step.response, "consequence": step.consequence}
            logs["lambda"] = step.lambda_
            if self.rehearses:
                logs["rehearsal"] = step.rehearsal
        super().log(logs, start_time)

    def whereabouts(self, *, steps_done: int | None = None) -> str:
        """Pass, step and rows at hand and the last good checkpoint, for an error message."""
        step = self.state.global_step if steps_done is None else steps_done
        rows = self._examples[step * self._rows_per_step : (step + 1) * self._rows_per_step]
        where = f"in pass {self.pass_.name}, step {step + 1}, on rows {', '.join(row.row_id for row in rows)}"
        last = last_checkpoint(self._folder)
        return where + (f"; the last good checkpoint is {last.folder}" if last else "; the pass has no checkpoint yet")

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

    lambda_: float = 0.0
    response: float = 0.0
    consequence: float = 0.0
    rehearsal: float = 0.0
    total: float = 0.0
    learned: int = 0
    positions: int = 0

    def add(self, loss: DualLoss, *, counts: Tensor, positions: int) -> None:
        """Add a micro-batch; `counts` are those of the whole step."""
        self.response += loss.response.item()
        self.consequence += loss.consequence.item()
        self.rehearsal += loss.rehearsal.item()
        self.total += loss.total.item()
        self.learned = int(counts.sum())
        self.positions += positions

    def add_up(self, over_ranks: Callable[[Tensor], Tensor]) -> None:
        """Turn a rank's own sums into those of all ranks."""
        mine = [self.response, self.consequence, self.rehearsal, self.total, self.positions]
        added = over_ranks(torch.tensor(mine, dtype=torch.float64)).tolist()
        self.response, self.consequence, self.rehearsal, self.total, positions = added
        self.positions = int(positions)


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
        rehearsal=config.rehearsal.weight if config.rehearsal else 0.0,
    )
