"""The `tear eval` command. Importing this is cheap: torch, transformers and scikit-learn load when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tear_chain.errors import TearError
from tear_training.world import UnseenSplit
from tear_training.world_table import TableName


def eval_command(
    adapter: Annotated[
        Path | None, typer.Argument(help="Folder of an adapter; without one the base is scored by itself.")
    ] = None,
    base: Annotated[Path, typer.Option(help="Prepared base of the adapter.")] = Path("training/nano/base"),
    table: Annotated[
        TableName | None, typer.Option(help="The world's table; the one that the adapter was trained on if not given.")
    ] = None,
    situations: Annotated[int | None, typer.Option(min=8, help="Situations of the world (240).")] = None,
    split: Annotated[
        UnseenSplit, typer.Option(help="Which situations; choose a recipe by `validation`, and report `test`.")
    ] = "test",
    seed: Annotated[int | None, typer.Option(help="Seed of situations and intervals.")] = None,
    curated: Annotated[
        Path | None, typer.Option(help="File of curated rows, of which that split is a suite of its own.")
    ] = None,
    with_beside: Annotated[
        bool,
        typer.Option("--beside", help="Measure what stands beside the score: pressure, and the cost of conscience."),
    ] = False,
    text: Annotated[Path | None, typer.Option(help="Plain text for the perplexity ratio; implies --beside.")] = None,
    xstest: Annotated[Path | None, typer.Option(help="XSTest's prompts as CSV; implies --beside.")] = None,
    esconv: Annotated[Path | None, typer.Option(help="ESConv.json; implies --beside.")] = None,
    failed_esconv: Annotated[Path | None, typer.Option(help="FailedESConv.json; implies --beside.")] = None,
    moral_stories: Annotated[Path | None, typer.Option(help="moral_stories_full.jsonl; implies --beside.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON document.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report to this file as well, as JSON.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the score and its parts into the manifest.")] = False,
) -> None:
    """Score whether an adapter sees what its words do (docs/evaluation.md)."""
    if write and adapter is None:
        raise typer.BadParameter("there is no manifest without an ADAPTER", param_hint="--write")
    if write and split != "test":
        raise typer.BadParameter(f"a manifest tells of the test split, not of {split}", param_hint="--write")
    with_beside |= any((text, xstest, esconv, failed_esconv, moral_stories))
    if with_beside and adapter is None:
        raise typer.BadParameter("the base alone has nothing to be beside; name an ADAPTER", param_hint="--beside")
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise typer.BadParameter(f"{out} is no place for a report", param_hint="--out")
    # What is printed for a program is the document and nothing else.
    console = Console(stderr=as_json)
    try:
        from tear_chain.artifact import write_card
        from tear_training.evaluate.beside import Brought, beside, read_base
        from tear_training.evaluate.evaluation import SEED, SITUATIONS, evaluate, table_of
        from tear_training.evaluate.marks import write_marks
        from tear_training.evaluate.show import print_report
        from tear_training.evaluate.subject import load_subject

        table = table_of(adapter) if table is None else table
        seed = SEED if seed is None else seed
        situations = SITUATIONS if situations is None else situations
        rated = {"esconv": esconv, "failed-esconv": failed_esconv}
        brought = Brought(text, xstest, {name: path for name, path in rated.items() if path}, moral_stories)
        # The base is read before the adapter is loaded, so that a large one is never held twice.
        alone = None
        if adapter is not None:
            asked = brought if with_beside else None
            alone = read_base(base, table=table, seed=seed, split=split, situations=situations, brought=asked)
        subject = load_subject(base, adapter)
        report = evaluate(
            subject,
            table=table,
            situations=situations,
            seed=seed,
            split=split,
            curated=curated,
            base_alone=None if alone is None else alone.choice,
            console=console,
        )
        if alone is not None:
            report = report.model_copy(update={"suites": (*report.suites, *beside(subject, alone, seed=seed))})
        if as_json:
            typer.echo(report.model_dump_json(indent=2))
        else:
            print_report(report, console)
        if out is not None:
            write_card(out, report)
        if write and adapter is not None:
            write_marks(adapter, report)
            console.print(f"The scores are in the manifest of {adapter}.", highlight=False)
    except TearError as exc:
        Console(stderr=True).print(
            f"Error: {exc.sentence()}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from exc
