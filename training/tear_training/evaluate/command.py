"""The `tear eval` command. Importing this is cheap: torch, transformers and scikit-learn load when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tear_chain.errors import TearError


class Table(StrEnum):
    """The worlds' gold causal tables."""

    BALANCED = "balanced"
    LEANING = "leaning"


def eval_command(
    adapter: Annotated[
        Path | None, typer.Argument(help="Folder of an adapter; without one the base is scored by itself.")
    ] = None,
    base: Annotated[Path, typer.Option(help="Prepared base of the adapter.")] = Path("training/nano/base"),
    table: Annotated[
        Table | None, typer.Option(help="The world's table; the one that the adapter was trained on if not given.")
    ] = None,
    situations: Annotated[int | None, typer.Option(min=8, help="Situations of the world (240).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of situations and intervals.")] = None,
    curated: Annotated[
        Path | None, typer.Option(help="File of curated rows, whose test split is a suite of its own.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as one JSON document.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the score and its parts into the manifest.")] = False,
) -> None:
    """Score whether an adapter sees what its words do (docs/evaluation.md)."""
    if write and adapter is None:
        raise typer.BadParameter("there is no manifest without an ADAPTER", param_hint="--write")
    if json_file is not None and (json_file.is_dir() or not json_file.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{json_file} is no place for a report", param_hint="--json")
    console = Console()
    try:
        from tear_training.evaluate.evaluation import SEED, SITUATIONS, evaluate, table_of
        from tear_training.evaluate.marks import write_marks
        from tear_training.evaluate.show import print_report
        from tear_training.evaluate.subject import load_subject

        report = evaluate(
            load_subject(base, adapter),
            table=table_of(adapter) if table is None else table.value,
            situations=SITUATIONS if situations is None else situations,
            seed=SEED if seed is None else seed,
            curated=curated,
            console=console,
        )
        print_report(report, console)
        if json_file is not None:
            json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        if write and adapter is not None:
            write_marks(adapter, report)
            console.print(f"The scores are in the manifest of {adapter}.", highlight=False)
    except TearError as exc:
        Console(stderr=True).print(
            f"Error: {exc.sentence()}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from exc
