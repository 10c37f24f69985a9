"""The `tear sweep` command. Importing this is cheap: torch loads in the processes of cells, and for `--dry-run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tear_chain.errors import TearError, TrainingInterrupted

_INTERRUPTED = 130


def sweep_command(
    config: Annotated[Path, typer.Argument(help="Sweep, such as training/configs/lambda-sweep.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder of all runs and of the report.")],
    base: Annotated[Path, typer.Option(help="Prepared base to train on.")] = Path("training/nano/base"),
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Cells at once, which share the cores (as many as there are cores).")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster to work on, whose machines see the same files.")
    ] = None,
    report_only: Annotated[bool, typer.Option("--report-only", help="Write the report of what is done.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, with steps and time; do nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Make all cells anew, whatever OUT holds of them.")] = False,
) -> None:
    """Train and score a grid of lambdas, controls and seeds, and compare them (docs/evaluation.md).

    What OUT holds already is not made again: after an interruption the same command goes on.
    """
    console = Console()
    if ray is not None and jobs is not None:
        raise typer.BadParameter("a cluster knows how many CPUs it has", param_hint="--jobs")
    try:
        from tear_chain.prepared import load_prepared
        from tear_training.config import load_config, load_settings
        from tear_training.sweep.board import Board
        from tear_training.sweep.folders import open_folders
        from tear_training.sweep.grid import cells
        from tear_training.sweep.runner import run_cells
        from tear_training.sweep.settings import SweepConfig
        from tear_training.sweep.workers import local_workers, ray_workers

        sweep = load_settings(config, SweepConfig)
        recipe_file = config.parent / sweep.recipe
        recipe = load_config(recipe_file, overrides=sweep.set)
        grid, card = cells(sweep, recipe), load_prepared(base)
        folders = open_folders(
            out,
            grid,
            base_fingerprint=card.fingerprint,
            evaluation=sweep.evaluation,
            force=force,
            writes=not (dry_run or report_only),
        )
        cores = len(os.sched_getaffinity(0))
        at_once = jobs or cores
        if dry_run:
            from tear_training.sweep.forecast import show_forecast

            show_forecast(folders, base, data=recipe_file.parent, at_once=at_once, console=console)
            return
        failures = []
        if not report_only:
            failures = run_cells(
                folders,
                local_workers(at_once, cores=cores) if ray is None else ray_workers(ray),
                base=base,
                data=recipe_file.parent,
                board=Board(console),
            )
            for each in failures:
                _complain(f"{each.name} failed: {each.why}. The end of its log:", each.log)
        # Not earlier: these load torch, and the cells need the memory.
        from tear_training.sweep.report import compile_report, write_report
        from tear_training.sweep.show import print_report

        report = compile_report(sweep, folders, base=card, command=_command(config, base, out))
        print_report(report, console)
        written = ", ".join(path.name for path in write_report(out, report))
        console.print(f"{written} are in {out}.", highlight=False, soft_wrap=True)
        if failures:
            said = f"{len(failures)} cells failed. The same command takes up what is missing."
            _complain(said)
            raise typer.Exit(1)
    except TrainingInterrupted as exc:
        Console(stderr=True).print(exc.sentence(), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from exc
    except TearError as exc:
        _complain(f"Error: {exc.sentence()}")
        raise typer.Exit(1) from exc


def _command(config: Path, base: Path, out: Path) -> list[str]:
    """What gives this report, however its cells came to be done."""
    return ["tear", "sweep", str(config), "--base", str(base), "--out", str(out)]


def _complain(*said: str) -> None:
    Console(stderr=True).print(*said, sep="\n", style="red", markup=False, highlight=False, soft_wrap=True)
