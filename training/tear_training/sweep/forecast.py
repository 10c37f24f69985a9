"""What a sweep would do, told before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tear_training.plan import plan_run
from tear_training.sweep.board import span
from tear_training.sweep.durations import seconds_of
from tear_training.sweep.folders import CellFolder


def show_forecast(folders: Sequence[CellFolder], base: Path, *, data: Path, at_once: int, console: Console) -> None:
    """Print the grid, the steps, and the time: by the cells that are done, or else no more than training's least."""
    by_condition: dict[str, list[CellFolder]] = {}
    for each in folders:
        by_condition.setdefault(each.cell.condition, []).append(each)
    table = Table("condition", "lambda of passes", "consequences", "seeds", "done")
    for condition, found in by_condition.items():
        config = found[0].cell.config
        if config is None:
            table.add_row(condition, "–", "–", "–", f"{sum(each.is_done for each in found)} of {len(found)}")
            continue
        ramps = ", ".join(_ramp(each.lambda_.start, each.lambda_.end) for each in config.passes)
        seeds = " ".join(str(each.cell.config.seed) for each in found if each.cell.config)
        done = f"{sum(each.is_done for each in found)} of {len(found)}"
        table.add_row(condition, ramps, config.consequences, seeds, done)
    console.print(table)
    trained = [each for each in folders if each.cell.config is not None]
    missing = [each for each in folders if not each.is_done]
    console.print(f"{len(folders)} cells, {len(missing)} of them to do, {at_once} at once.", highlight=False)
    if not trained or trained[0].cell.config is None:
        return
    plan = plan_run(trained[0].cell.config, base, folder=data)
    steps = ", ".join(f"{each.name} {each.steps:,}" for each in plan.passes)
    console.print(f"Steps of each trained cell: {steps}.", highlight=False)
    known = [seconds_of(each.path) for each in trained if each.is_done]
    rounds = -(-len(missing) // at_once)
    if known:
        mean = sum(known) / len(known)
        console.print(f"About {span(rounds * mean)}: those that are done took {span(mean)} each.", highlight=False)
    else:
        least = span(rounds * plan.seconds)
        console.print(
            f"Training alone takes {least} at the very least, if every cell had the machine's full speed to itself; "
            "evaluation comes on top. Once a cell is done, this tells by its time.",
            highlight=False,
            soft_wrap=True,
        )


def _ramp(start: float, end: float) -> str:
    return f"{start:g}" if start == end else f"{start:g} → {end:g}"
