"""Hugging Face's arguments for one pass, from our configuration."""

from __future__ import annotations

import math
from pathlib import Path

from transformers import TrainingArguments

from tear_training import ranks
from tear_training.config import Pass, TrainConfig

BEST_BY = "nll_consequence"
"""The held-out figure by which the best weights are chosen: a model that answers well and sees nothing is not best."""
PROJECT = "the-tear"
"""Under which trackers gather runs."""


def training_arguments(
    pass_: Pass, config: TrainConfig, *, steps: int, micro_batches: int, folder: Path
) -> TrainingArguments:
    """What Trainer needs for a pass of `steps` optimizer steps, whose checkpoints go into `folder`."""
    evaluation = config.evaluation
    arguments = TrainingArguments(
        output_dir=str(folder),
        use_cpu=ranks.on_cpu(),
        num_train_epochs=1,
        # An item of the data set is a whole micro-batch.
        per_device_train_batch_size=1,
        gradient_accumulation_steps=micro_batches,
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
        eval_strategy="no" if evaluation.every is None else "steps",
        eval_steps=evaluation.every,
        save_strategy="steps",
        # Where the best is kept, every evaluation may turn out to be it.
        save_steps=evaluation.every if evaluation.keep_best and evaluation.every else config.checkpoints.every,
        save_total_limit=config.checkpoints.keep,
        load_best_model_at_end=evaluation.keep_best,
        metric_for_best_model=BEST_BY if evaluation.keep_best else None,
        greater_is_better=False,
        # Patience goes on counting where it was.
        restore_callback_states_from_checkpoint=True,
        ddp_find_unused_parameters=False,
        project=PROJECT,
        run_name=f"{config.name}-{pass_.name}",
        # A tracker that keeps its figures here must not publish them when an adapter is pushed.
        trackio_static_space_id=False,
        report_to=list(config.trackers) or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    # Several cards and one process: Trainer would copy the model to each and average what must be added.
    # The first card is used; `torchrun` uses them all.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
