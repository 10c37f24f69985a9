"""What a run says of every step: a progress bar for people, a JSONL log for everything else."""

from __future__ import annotations

import json
import math
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tear_chain.errors import TrainingError
from tear_training.dual_trainer import DualTrainer, StepTotals


class StepReport(TrainerCallback):
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
        """Open the pass's bar."""
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
        """Begin the step's totals."""
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
        """Write the step's line and move the bar; a gradient that is no number ends the run."""
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


def step_bar(console: Console) -> Progress:
    """A bar for every pass, in eighty columns."""
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
