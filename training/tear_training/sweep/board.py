"""How far a sweep is: a bar on a terminal, a line for each cell elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Board:
    """Tells which cells have ended, and when the rest may have."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._ended, self._total, self._at_once, self._seconds = 0, 0, 1, 0.0

    @contextmanager
    def over(self, total: int, *, at_once: int) -> Iterator[None]:
        """While `total` cells are worked on, `at_once` at a time."""
        self._total, self._at_once = total, at_once
        columns = (TextColumn("Cells"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[left]}"), console=self._console) as bar:
            self._bar, self._task = bar, bar.add_task("cells", total=total, left="", visible=self._console.is_terminal)
            yield

    def ended(self, name: str, *, seconds: float, why: str | None) -> None:
        """Tell that a cell has ended after `seconds`; `why` says why it failed."""
        self._ended += 1
        self._seconds += seconds
        said = f"[{self._ended}/{self._total}] {name}: {span(seconds)}" + ("" if why is None else f", failed: {why}")
        left = self._left()
        self._console.print(
            said if self._console.is_terminal else f"{said}{left and '; '}{left}",
            style=None if why is None else "red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=self._ended, left=left)

    def _left(self) -> str:
        rest = self._total - self._ended
        return f"about {span(self._seconds / self._ended * rest / min(self._at_once, rest))} left" if rest else ""


def span(seconds: float) -> str:
    """A time as people say it."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
