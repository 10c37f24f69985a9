"""Ctrl-C and SIGTERM during training: the step is finished, the state is written, and then the run stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tear_chain.errors import TrainingInterrupted
from tear_training import ranks

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is open, a first signal is noted and a second one acts as it always did."""

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        # Python takes signals in its main thread only; elsewhere whoever owns that thread decides.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}


class StopWhenAsked(TrainerCallback):
    """Ends a run that was interrupted, with a checkpoint."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._is_ending = False

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> TrainerControl:
        """Ask for a checkpoint if any rank was told to stop: all ranks must agree, or they wait for one another."""
        self._is_ending = ranks.any_says(self._interruption.is_asked)
        control.should_save |= self._is_ending
        return control

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        """Stop, now that the checkpoint is whole."""
        if self._is_ending:
            where = f"{args.output_dir}/checkpoint-{state.global_step}"
            raise TrainingInterrupted(f"Stopped after step {state.global_step}; the checkpoint is {where}.")
