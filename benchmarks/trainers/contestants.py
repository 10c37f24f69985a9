"""Contestants in processes of their own: built once, then idle but for their turns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from trainers.work import Turn, Work

Name = Literal["The Tear", "TRL, fast path", "TRL, compute_loss_func", "TRL, weighted subclass"]
OURS: Name = "The Tear"
TRL_LOSSES: dict[Name, str] = {
    "TRL, fast path": "fast",
    "TRL, compute_loss_func": "function",
    "TRL, weighted subclass": "weighted",
}
TRL_FOLDER = Path(__file__).parents[2] / ".peers-train"
"""TRL alone, without what it depends on: everything else is the same for all."""

Value = TypeVar("Value")


class Contestant(Protocol):
    """Who trains."""

    def turn(self) -> Turn:
        """Take all steps of the work."""
        ...


_here: dict[str, Contestant] = {}
"""The one contestant of this process."""


@contextmanager
def contesting(name: Name, work: Work) -> Iterator[Callable[[], Turn]]:
    """Its turns. accelerate keeps its precision per process, so no two can share one."""
    with _process(work.threads) as pool:
        pool.submit(_build, name, work).result()
        yield lambda: pool.submit(_turn).result()


def in_fresh_process(threads: int, compute: Callable[..., Value], *arguments: object, **options: object) -> Value:
    """What `compute` returns in a process that has done nothing else."""
    with _process(threads) as pool:
        return pool.submit(compute, *arguments, **options).result()


@contextmanager
def _process(threads: int) -> Iterator[ProcessPoolExecutor]:
    # What is done by hand in `_set_up` is too late for the libraries that read their threads when they are loaded.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_set_up, initargs=(threads,)) as pool:
        yield pool


def _set_up(threads: int) -> None:
    import torch
    from transformers.utils import logging

    torch.set_num_threads(threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _build(name: Name, work: Work) -> None:
    if name == OURS:
        from trainers.ours import TearTrain

        _here["contestant"] = TearTrain(work)
    else:
        sys.path.append(str(TRL_FOLDER))
        from datasets.utils.logging import disable_progress_bar

        from trainers.trl_runs import Sft

        disable_progress_bar()
        _here["contestant"] = Sft(work, loss=TRL_LOSSES[name])


def _turn() -> Turn:
    return _here["contestant"].turn()
