"""The `tear train` and `tear base` commands. Importing this is cheap: torch and transformers load when one runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tear_chain.errors import TearError, TrainingInterrupted

_INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""

base_app = typer.Typer(help="Make and check prepared bases.", no_args_is_help=True)


def train_command(
    config: Annotated[Path, typer.Argument(help="Training configuration, such as training/configs/nano.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder of the adapter.")],
    base: Annotated[Path, typer.Option(help="Prepared base to train on.")] = Path("training/nano/base"),
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting: key.path=value; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the run that OUT holds.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, with memory and time; train and write nothing.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that OUT holds, or begin it if there is none.")
    ] = False,
) -> None:
    """Train an adapter with the dual-objective loss."""
    with _told_in_a_sentence() as console:
        # Where it is installed it speaks of a kernel for CPUs that it could not fetch, wanted or not.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        from tear_training import ranks
        from tear_training.config import load_config
        from tear_training.train import train

        parsed = load_config(config, overrides=overrides or [])
        if dry_run:
            from tear_training.plan import plan_run, show_plan

            show_plan(plan_run(parsed, base, folder=config.parent), parsed, console)
            return
        manifest = train(parsed, base, out, folder=config.parent, force=force, resume=resume, console=console)
        if ranks.is_first():
            console.print(f"Adapter {manifest.name} {manifest.version} is in {out}.")
        ranks.close()


@base_app.command("prepare")
def prepare_command(
    src: Annotated[str, typer.Argument(help="Checkpoint folder, or a hub id.")],
    out: Annotated[Path, typer.Argument(help="Folder of the prepared base.")],
    name: Annotated[str | None, typer.Option(help="Name under which it is served; from SRC if not given.")] = None,
    license_: Annotated[str | None, typer.Option("--license", help="Licence; from SRC's README if not given.")] = None,
    revision: Annotated[str | None, typer.Option(help="Revision of a hub id.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the prepared base that OUT holds.")] = False,
) -> None:
    """Make a base checkpoint ready for the chain."""
    with _told_in_a_sentence() as console:
        from tear_training.prepare import prepare_base

        card = prepare_base(
            src,
            out,
            name=name or Path(src).resolve().name,
            license=license_,
            revision=revision,
            force=force,
            console=console,
        )
        console.print(f"{card.name} ({card.fingerprint}) is in {out}; context {card.context}.")
        console.print("Rows set: " + " ".join(card.set_rows), markup=False, highlight=False)


@base_app.command("nano")
def nano_command(
    out: Annotated[Path, typer.Argument(help="Folder of the prepared base.")],
    seed: Annotated[int | None, typer.Option(help="Seed of weights and text.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the prepared base that OUT holds.")] = False,
) -> None:
    """Pretrain nano from scratch on the CPU and prepare it."""
    with _told_in_a_sentence() as console:
        from tear_training.nano import DEFAULT_SEED, DEFAULT_STEPS, build_nano

        report = build_nano(
            out,
            seed=DEFAULT_SEED if seed is None else seed,
            steps=DEFAULT_STEPS if steps is None else steps,
            force=force,
            console=console,
        )
        console.print(f"Nano is in {out}: {report.parameters:,} parameters, held-out loss {report.held_out_loss:.3f}.")


@base_app.command("check")
def check_command(folder: Annotated[Path, typer.Argument(help="Folder of a prepared base.")]) -> None:
    """Read a prepared base byte by byte."""
    with _told_in_a_sentence() as console:
        from tear_training.prepare import check_base

        card = check_base(folder)
        console.print(f"{folder} is whole: {card.name} ({card.fingerprint}), context {card.context}.")


@contextmanager
def _told_in_a_sentence() -> Iterator[Console]:
    """A console for the command; what The Tear names ends it with a sentence instead of a traceback."""
    try:
        yield Console()
    except TrainingInterrupted as exc:
        Console(stderr=True).print(exc.sentence(), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from exc
    except TearError as exc:
        said = f"Error: {exc.sentence()}"
        Console(stderr=True).print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from exc
