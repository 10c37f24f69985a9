"""One cell of a sweep, worked on in a process of its own: `python -m tear_training.sweep.cell FOLDER ...`.

What it is stands in `cell.json`, written before it is begun; `evaluation.json` comes last, so its presence means that
the cell is done.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tear_chain.artifact import write_card
from tear_chain.errors import TearError, TrainingError, TrainingInterrupted
from tear_training.sweep.folders import ADAPTER, EVALUATION_FILE, LOCK_FILE, read_cell


def main() -> int:
    """Train and score the cell of a folder; what is done already is not done again."""
    parser = argparse.ArgumentParser(prog="tear_training.sweep.cell")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="where relative data files start")
    asked = parser.parse_args()
    try:
        with _alone(asked.folder):
            work(asked.folder, asked.base, data=asked.data, console=Console(width=120))
    except TrainingInterrupted as exc:
        print(exc.sentence(), file=sys.stderr)
        return 130
    except TearError as exc:
        print(f"Error: {exc.sentence()}", file=sys.stderr)
        return 1
    return 0


def work(folder: Path, base: Path, *, data: Path, console: Console) -> None:
    """Train the cell's adapter, or go on with it, and score it; relative data files start at `data`."""
    card = read_cell(folder)
    if (folder / EVALUATION_FILE).is_file():
        return
    # Before it is loaded: it speaks of a kernel for CPUs that it could not fetch, wanted or not.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from tear_training.sweep.score import score
    from tear_training.train import train

    if card.config is not None:
        train(card.config, base, folder / ADAPTER, folder=data, resume=True, console=console)
    report = score(base, None if card.config is None else folder / ADAPTER, card.evaluation, console=console)
    write_card(folder / EVALUATION_FILE, report)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the cell: of a sweep that was killed, cells may live on and end by themselves."""
    with (folder / LOCK_FILE).open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise TrainingError(f"{folder} is being worked on by another process.") from exc
        yield


if __name__ == "__main__":
    sys.exit(main())
