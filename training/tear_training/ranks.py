"""The processes of a run: one, or several that `torchrun` or `accelerate launch` started, each with its rank."""

from __future__ import annotations

import torch
from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import reduce  # type: ignore[import-untyped]


def count() -> int:
    """How many processes train together."""
    return int(PartialState().num_processes)


def is_first() -> bool:
    """Whether this is the process that writes and speaks."""
    return bool(PartialState().is_main_process)


def device() -> torch.device:
    """Where this process computes."""
    found = PartialState().device
    assert isinstance(found, torch.device)
    return found


def wait_for_all() -> None:
    """Return when every process has come here."""
    PartialState().wait_for_everyone()


def any_says(yes: bool) -> bool:
    """Whether any process says yes; all of them must ask."""
    if count() == 1:
        return yes
    return bool(reduce(torch.tensor(float(yes), device=device()), reduction="sum").item() > 0)


def close() -> None:
    """Part from the others, at the end of a command."""
    PartialState().destroy_process_group()
