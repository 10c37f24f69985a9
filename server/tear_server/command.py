"""The `tear serve` command."""

from __future__ import annotations

import typer

serve_app = typer.Typer(add_completion=False)


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
