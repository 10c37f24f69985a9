"""The `tear adapter` commands. Importing this is cheap: torch loads when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

adapter_app = typer.Typer(help="Work on adapters.", no_args_is_help=True)


@adapter_app.callback()
def _group() -> None:
    """Keep `merge` a command of its own while it is the only one."""


@adapter_app.command("merge")
def merge_command(
    base: Annotated[Path, typer.Argument(help="Folder of a prepared base.")],
    adapter: Annotated[Path, typer.Argument(help="Folder of an adapter trained on that base.")],
    out: Annotated[Path, typer.Argument(help="Folder of the merged base; `tear serve --base OUT` serves it.")],
) -> None:
    """Write a base with an adapter in its weights: faster to serve, and one adapter for good."""
    from tear_chain.prepared import load_prepared
    from tear_server.merge import merge_adapter

    merged = merge_adapter(base, adapter, out)
    card = load_prepared(out, whole=False)
    typer.echo(f"{card.name} ({card.fingerprint}) with {merged.name} is in {out}.")
