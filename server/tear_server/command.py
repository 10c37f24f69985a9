"""The `tear serve` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

serve_app = typer.Typer(add_completion=False)


def key_command(
    name: Annotated[str, typer.Argument(help="Whose key it is; shown in logs and limits.")],
    keys: Annotated[Path, typer.Option(help="File of keys; made if it is not there.")] = Path("keys.yaml"),
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="How often it may ask.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, help="How many tokens it may use.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may change what is served.")] = False,
) -> None:
    """Make an API key. It is printed once; the file keeps its hash."""
    from tear_server.keys import add_key

    made = add_key(
        keys, name, requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, admin=admin
    )
    typer.echo(made)


@serve_app.command(
    name="serve",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    help="Serve a prepared base with its adapter over HTTP.",
)
def serve_command(context: typer.Context) -> None:
    """Every flag is a setting; `tear serve --help` lists them."""
    # Imported here, so that `tear --help` stays quick.
    from tear_server.serve import run
    from tear_server.settings import read_settings

    run(read_settings(context.args))
