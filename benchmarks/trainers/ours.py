"""Our contestant: `tear train` as it is, timed by its own log."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tear_training.run_log import STEP_LOG
from tear_training.train import train
from trainers.memory import peak_bytes
from trainers.work import DATA, Turn, Work, tokens_of


class TearTrain:
    """A whole run each turn: base loaded, adapter made, rows encoded, all of it outside the steps."""

    def __init__(self, work: Work) -> None:
        self._work = work
        after_first = work.examples()[work.config.batching.rows_per_step :]
        self._trained, self._tokens = tokens_of(after_first)

    def turn(self) -> Turn:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "adapter"
            train(self._work.config, self._work.base, out, folder=DATA)
            steps = [json.loads(line) for line in (out / STEP_LOG).read_text(encoding="utf-8").splitlines()]
        timed = steps[1:]
        trained = sum(step["learned_tokens"] for step in timed)
        if trained != self._trained:
            raise RuntimeError(f"our trainer learned {trained} tokens of {self._trained}")
        seconds = sum(step["seconds"] for step in timed)
        return Turn(seconds, trained, self._tokens, peak_bytes(self._work.device))
