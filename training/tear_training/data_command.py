"""The `tear data` commands. Importing this is cheap: what a command needs loads when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tear_training.audit.command import audit_command
from tear_training.expand.command import expand_command
from tear_training.importers.command import import_command
from tear_training.review import review_command

data_app = typer.Typer(help="Import, audit, expand and review training rows.", no_args_is_help=True)
data_app.command("audit")(audit_command)
data_app.command("import")(import_command)
data_app.command("expand")(expand_command)
data_app.command("review")(review_command)


class Split(StrEnum):
    """The splits of the world."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Table(StrEnum):
    """The worlds' gold causal tables."""

    BALANCED = "balanced"
    LEANING = "leaning"
    WOVEN = "woven"


@data_app.command("world")
def world_command(
    out: Annotated[Path, typer.Argument(help="JSONL file to write.")],
    rows: Annotated[int, typer.Option(min=1, help="How many rows.")] = 10_000,
    split: Annotated[Split, typer.Option(help="Which situations.")] = Split.TRAIN,
    table: Annotated[Table, typer.Option(help="Which causes and effects.")] = Table.BALANCED,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 7,
    force: Annotated[bool, typer.Option("--force", help="Replace what OUT holds.")] = False,
) -> None:
    """Write rows of the procedural world, whose causes are known exactly (docs/world.md)."""
    from tear_training.rows import write_rows
    from tear_training.world import World

    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {out.absolute().parent} does not exist", param_hint="OUT")
    if out.is_dir() or (out.exists() and not force):
        raise typer.BadParameter(f"{out} is there already; --force replaces a file", param_hint="OUT")
    written = write_rows(out, World(seed, table=table.value).rows(split=split.value, count=rows))
    typer.echo(f"{written} rows of the {table.value} world, split {split.value}, seed {seed}, are in {out}.")
