"""`tear adapters`: what a running server answers with, and changing it. For operators, with an admin key."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tear_client.commands.options import JsonFlag, Settings, UrlOption, settings_of
from tear_client.replies import LoadedAdapter, ServedAdapter
from tear_client.safetext import clean
from tear_client.terminal import is_rich, print_json, print_table

adapters_app = typer.Typer(help="See and change which adapters a running server answers with.")


@adapters_app.callback(invoke_without_command=True)
def _adapters(ctx: typer.Context, url: UrlOption = None, as_json: JsonFlag = False) -> None:
    """See and change which adapters a running server answers with; alone, list them."""
    ctx.obj = settings_of(ctx, url, as_json)
    if ctx.invoked_subcommand is None:
        _list(ctx.obj)


@adapters_app.command("list")
def list_command(ctx: typer.Context, url: UrlOption = None, as_json: JsonFlag = False) -> None:
    """List the versions that are loaded, and which model answers with which."""
    _list(settings_of(ctx, url, as_json))


@adapters_app.command("load")
def load_command(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder inside the server's folder of adapters.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="Serve it as that model, new or not; else the default one."),
    ] = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Load an adapter and serve it from then on."""
    settings = settings_of(ctx, url, as_json)
    with settings.client() as client:
        _tell(settings, client.load_adapter(path, model=model))


@adapters_app.command("rollback")
def rollback_command(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Not given, the default model.")] = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Serve the version before again; once more undoes it."""
    settings = settings_of(ctx, url, as_json)
    with settings.client() as client:
        _tell(settings, client.roll_back_adapter(client.models()[0].id if model is None else model))


@adapters_app.command("delete")
def delete_command(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, or a version from the list.")],
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Stop serving a model, or unload a version that nothing stands on."""
    settings = settings_of(ctx, url, as_json)
    with settings.client() as client:
        removed = client.remove_adapter(name)
    if settings.as_json:
        print_json(removed.model_dump(mode="json"))
    else:
        print(f"{clean(removed.id)} is {'no longer served' if removed.object == 'model' else 'unloaded'}.")


def _list(settings: Settings) -> None:
    with settings.client() as client:
        loaded = client.adapters()
    if settings.as_json:
        for adapter in loaded:
            print_json(adapter.model_dump(mode="json"))
    elif is_rich():
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for heading in ("version", "name", "rank", "answers as", "before in", "in flight"):
            table.add_column(heading, no_wrap=heading == "version")
        for adapter in loaded:
            table.add_row(*map(Text, _facts(adapter)))
        print_table(table)
    else:
        for adapter in loaded:
            print("\t".join(_facts(adapter)))


def _facts(adapter: LoadedAdapter) -> tuple[str, ...]:
    """Version, name, rank, models that answer with it, models it was before in, reflections in flight; `-` for none."""
    models, before = ", ".join(adapter.models), ", ".join(adapter.before_in)
    facts = (adapter.id, adapter.name, str(adapter.rank), models or "-", before or "-", str(adapter.in_flight))
    return tuple(map(clean, facts))


def _tell(settings: Settings, served: ServedAdapter) -> None:
    if settings.as_json:
        print_json(served.model_dump(mode="json"))
        return
    before = "" if served.before is None else f"; before it was {clean(served.before)}"
    print(f"{clean(served.model)} answers with {clean(served.adapter)}{before}.")
