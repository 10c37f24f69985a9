"""How long a finished cell took, read off its own logs: the same whether it was made in one go or in several."""

from __future__ import annotations

import json
from pathlib import Path

from tear_chain.artifact import read_card
from tear_chain.errors import DataError
from tear_training.evaluate.report import EvalReport
from tear_training.run_log import STEP_LOG
from tear_training.sweep.folders import ADAPTER, EVALUATION_FILE


def seconds_of(cell: Path) -> float:
    """Seconds of training steps and of evaluation; loading is in neither."""
    steps = cell / ADAPTER / STEP_LOG
    lines = steps.read_text(encoding="utf-8").splitlines() if steps.is_file() else []
    scoring = read_card(cell / EVALUATION_FILE, EvalReport, DataError).seconds
    return scoring + sum(float(json.loads(line)["seconds"]) for line in lines)
