"""Logs of a run: one JSON object a line, which a run that is taken up again goes on writing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

STEP_LOG = "steps.jsonl"
EVALUATION_LOG = "evaluations.jsonl"
LOGS = (STEP_LOG, EVALUATION_LOG)


class RunLog:
    """A file of lines, each of a `step` of a `pass`; of several ranks only the one that `writes` has it."""

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._writes = writes

    def take_up(self, pass_: str, *, step: int) -> None:
        """Drop what was written of a pass after `step`: it is about to happen again. So is a line that was cut off."""
        if not self._writes or not self._path.exists():
            return
        kept = []
        for line in self._path.read_text(encoding="utf-8").splitlines(keepends=True):
            said = json.loads(line) if line.endswith("\n") else None
            if said is not None and (said["pass"] != pass_ or said["step"] <= step):
                kept.append(line)
        partial = self._path.with_name(self._path.name + ".partial")
        partial.write_text("".join(kept), encoding="utf-8")
        partial.replace(self._path)

    def write(self, said: Mapping[str, object]) -> None:
        """Add a line; it is in the file when this returns."""
        if self._writes:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(said) + "\n")
