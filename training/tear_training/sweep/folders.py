"""The folders of a sweep: what a cell was made with, and whether it is done, begun or somebody else's."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tear_chain.artifact import Card, read_card, write_card
from tear_chain.errors import DataError
from tear_training.config import FREE, TrainConfig
from tear_training.sweep.grid import Cell
from tear_training.sweep.settings import Scoring

RUNS = "runs"
CELL_FILE = "cell.json"
EVALUATION_FILE = "evaluation.json"
LOG_FILE = "log.txt"
LOCK_FILE = "lock"
ADAPTER = "adapter"


class CellCard(Card):
    """What a cell is made with; with anything else it would be another cell."""

    name: str
    base_fingerprint: str
    evaluation: Scoring
    config: TrainConfig | None
    """None for the base alone."""


@dataclass(frozen=True, slots=True)
class CellFolder:
    """A cell and where it is made."""

    cell: Cell
    path: Path

    @property
    def is_done(self) -> bool:
        """Whether it has been trained and scored."""
        return (self.path / EVALUATION_FILE).is_file()


def open_folders(
    out: Path, cells: Sequence[Cell], *, base_fingerprint: str, evaluation: Scoring, force: bool, writes: bool = True
) -> list[CellFolder]:
    """The folders of `cells` under `out`, each with its card; with `force`, what is there of other cells is replaced.

    `DataError` names every folder that holds something else; then nothing is touched. Unless it `writes`, it looks
    only.
    """
    found = [CellFolder(cell, out / RUNS / cell.name) for cell in cells]
    cards = [
        CellCard(name=cell.name, base_fingerprint=base_fingerprint, evaluation=evaluation, config=cell.config)
        for cell in cells
    ]
    odd = [fault for each, card in zip(found, cards, strict=True) if (fault := _fault(each.path, card, force=force))]
    if odd:
        raise DataError("\n".join([*odd, "--force makes them anew; what is theirs is lost."]))
    for each, card in zip(found, cards, strict=True) if writes else ():
        if force and each.path.exists():
            shutil.rmtree(each.path)
        each.path.mkdir(parents=True, exist_ok=True)
        if not (each.path / CELL_FILE).is_file() or read_cell(each.path) != card:
            write_card(each.path / CELL_FILE, card)
    return found


def read_cell(folder: Path) -> CellCard:
    """What the cell of a folder is made with."""
    return read_card(folder / CELL_FILE, CellCard, DataError)


def _fault(folder: Path, card: CellCard, *, force: bool) -> str | None:
    if not folder.exists():
        return None
    if not (folder / CELL_FILE).is_file():
        return None if folder.is_dir() and not any(folder.iterdir()) else f"{folder} is no cell of a sweep."
    if force:
        return None
    before = read_cell(folder)
    odd = [name for name in ("base_fingerprint", "evaluation") if getattr(before, name) != getattr(card, name)]
    if before.config is None or card.config is None:
        odd += ["config"] if before.config != card.config else []
    else:
        held = [name for name in TrainConfig.model_fields if name not in FREE]
        odd += [name for name in held if getattr(before.config, name) != getattr(card.config, name)]
    return f"{folder} was made with another {', '.join(odd)}." if odd else None
