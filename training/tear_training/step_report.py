"""What a run says of every step: a progress bar for people, JSONL logs for everything else."""

from __future__ import annotations

import math
import resource
import sys
import time

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tear_chain.errors import TrainingError
from tear_training.dual_trainer import DualTrainer, StepTotals
from tear_training.run_log import RunLog


class StepReport(TrainerCallback):
    """Tells the progress bar of every step, and the JSONL logs of steps and evaluations."""

    def __init__(self, trainer: DualTrainer, *, steps: RunLog, evaluations: RunLog, bar: Progress) -> None:
        self._trainer = trainer
        self._steps = steps
        self._evaluations = evaluations
        self._bar = bar
        self._task: TaskID | None = None
        self._before_s = 0.0
        self._rate = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Open the pass's bar, where a pass that is taken up again had come to."""
        for log in (self._steps, self._evaluations):
            log.take_up(self._trainer.pass_.name, step=state.global_step)
        self._task = self._bar.add_task(
            self._trainer.pass_.name,
            total=state.max_steps,
            completed=state.global_step,
            response=math.nan,
            consequence=math.nan,
            rehearsed="",
            lambda_=math.nan,
            rate=0.0,
            peak=0.0,
        )
        self._before_s = time.monotonic()

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Begin the step's totals."""
        self._trainer.step = StepTotals(lambda_=self._trainer.lambda_)

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
            where = self._trainer.whereabouts(steps_done=state.global_step - 1)
            raise TrainingError(f"The gradient's norm is {logs['grad_norm']} {where}.")
        peak_bytes = _peak_bytes()
        rehearsed = {"rehearsal": step.rehearsal} if self._trainer.rehearses else {}
        self._steps.write(
            {
                "pass": self._trainer.pass_.name,
                "step": state.global_step,
                "loss": step.total,
                "response": step.response,
                "consequence": step.consequence,
                **rehearsed,
                "lambda": step.lambda_,
                "learning_rate": logs["learning_rate"],
                "grad_norm": logs["grad_norm"],
                "learned_tokens": step.learned,
                "seconds": round(seconds, 4),
                "peak_bytes": peak_bytes,
            }
        )
        rate = step.positions / seconds
        self._rate = rate if not self._rate else 0.9 * self._rate + 0.1 * rate
        if self._task is not None:
            self._bar.update(
                self._task,
                completed=state.global_step,
                response=step.response,
                consequence=step.consequence,
                rehearsed=f" text {step.rehearsal:.3f}" if self._trainer.rehearses else "",
                lambda_=step.lambda_,
                rate=self._rate,
                peak=peak_bytes / 1e9,
            )

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        """Write the held-out figures and say the two that count."""
        figures = {name.removeprefix("eval_"): value for name, value in (metrics or {}).items()}
        name, step = self._trainer.pass_.name, state.global_step
        self._evaluations.write({"pass": name, "step": step, **figures})
        self._before_s = time.monotonic()
        response, consequence = figures["nll_response"], figures["nll_consequence"]
        self._bar.console.print(f"{name} {step}, held out: resp {response:.3f} cons {consequence:.3f}", highlight=False)


def step_bar(console: Console) -> Progress:
    """A bar for every pass, in eighty columns."""
    return Progress(
        # Eighty columns hold it all: both losses, λ, speed, the most memory that was used, and the time that is left;
        # what is rehearsed takes eleven more.
        TextColumn("{task.description:<11}"),
        BarColumn(bar_width=4),
        MofNCompleteColumn(),
        TextColumn("resp {task.fields[response]:.3f} cons {task.fields[consequence]:.3f}{task.fields[rehearsed]}"),
        TextColumn("λ {task.fields[lambda_]:.2f}"),
        TextColumn("{task.fields[rate]:,.0f} tok/s"),
        TextColumn("{task.fields[peak]:.1f} GB"),
        TimeRemainingColumn(compact=True),
        console=console,
    )


def _peak_bytes() -> int:
    """The most memory that this process has held: of the accelerator where there is one, else of the machine."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
