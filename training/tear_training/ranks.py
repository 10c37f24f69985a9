"""The processes of a run: one, or several that `torchrun` or `accelerate launch` started, each with its rank."""

from __future__ import annotations

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import reduce  # type: ignore[import-untyped]


def count() -> int:
    """How many processes train together."""
    return int(_state().num_processes)


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return bool(_state().is_main_process)


def device() -> torch.device:
    """Where this process computes."""
    found = _state().device
    assert isinstance(found, torch.device)
    return found


def wait_for_all() -> None:
    """Return when every process has come here."""
    _state().wait_for_everyone()


def any_says(yes: bool) -> bool:
    """Whether any process says yes; all of them must ask."""
    if count() == 1:
        return yes
    return bool(reduce(torch.tensor(float(yes), device=device()), reduction="sum").item() > 0)


def close() -> None:
    """Part from the others, at the end of a command."""
    _state().destroy_process_group()


def on_cpu() -> bool:
    """Whether there is no accelerator; accelerate joins processes on CPUs only if it is told."""
    return not torch.accelerator.is_available()


def _state() -> PartialState:
    return PartialState(cpu=on_cpu())
