"""The `tear adapter` commands. Importing this is cheap: torch and the hub's library load when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

adapter_app = typer.Typer(help="Take adapters to where they are used.", no_args_is_help=True)


@adapter_app.command("export")
def export_command(
    adapter: Annotated[Path, typer.Argument(help="Folder of an adapter.")],
    out: Annotated[Path, typer.Option(help="Folder to be made.")],
    merge: Annotated[
        bool, typer.Option("--merge", help="Write a full checkpoint: BASE with the adapter in its weights.")
    ] = False,
    base: Annotated[Path | None, typer.Option(help="With --merge: the prepared base it was trained on.")] = None,
) -> None:
    """Write an adapter without what else lies in its folder; or, merged, a base that answers as both did.

    `tear serve --base OUT` serves what was merged at full speed, and that one adapter for good.
    """
    if merge != (base is not None):
        raise typer.BadParameter("--merge and --base go together.")
    if base is None:
        from tear_server.publication import copy_publication, read_publication

        found = read_publication(adapter)
        copy_publication(found, out)
        typer.echo(f"{found.manifest.name} {found.manifest.version} is in {out}.")
        return
    from tear_chain.prepared import load_prepared
    from tear_server.merge import merge_adapter

    merged = merge_adapter(base, adapter, out)
    card = load_prepared(out, whole=False)
    typer.echo(f"{card.name} ({card.fingerprint}) with {merged.name} is in {out}.")


@adapter_app.command("push")
def push_command(
    adapter: Annotated[Path, typer.Argument(help="Folder of an adapter.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the model hub; made if need be.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it; else it is private.")] = False,
) -> None:
    """Push an adapter, with its card and its manifest, to a model hub."""
    from tear_server.hub import push_adapter
    from tear_server.publication import read_publication

    pushed = push_adapter(read_publication(adapter), repo, public=public)
    typer.echo(f"{pushed.url} ({'private' if pushed.is_private else 'public'})")
