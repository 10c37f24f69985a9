"""Where a run can be followed beside its own logs. Nothing leaves this machine unless its user has said so."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tear_chain.errors import DataError
from tear_training.arguments import PROJECT
from tear_training.upkeep import Tracker

CURVES = "tensorboard"
"""TensorBoard's folder beside the adapter, with one of its runs for each pass."""


def check_trackers(names: Sequence[Tracker]) -> None:
    """Raise `DataError` naming the trackers that are asked for and not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise DataError(
            f"trackers: {', '.join(missing)} not installed. Install them with `pip install 'the-tear[trackers]'`, "
            "or leave them out: steps.jsonl is always written."
        )


@contextmanager
def tracking(names: Sequence[Tracker], out: Path, *, run: str) -> Iterator[None]:
    """Point the trackers to `out` while one pass runs, and close its run afterwards.

    The environment is how their users speak to them, so what stands there already is left as it is: `WANDB_MODE=online`
    is how somebody says that his figures may go to their server.
    """
    with _environment(_settings(out, run) if names else {}):
        try:
            yield
        finally:
            if "wandb" in names:
                import wandb

                wandb.finish()


def _settings(out: Path, run: str) -> Mapping[str, str]:
    return {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(out),
        "WANDB_PROJECT": PROJECT,
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "TENSORBOARD_LOGGING_DIR": str(out / CURVES / run),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
