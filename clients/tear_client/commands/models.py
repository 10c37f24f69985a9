"""`tear models`: what the server offers."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from tear_client.calls import is_direct
from tear_client.commands.options import JsonFlag, UrlOption, settings_of
from tear_client.safetext import clean
from tear_client.terminal import is_rich, print_json, print_table


def models(ctx: typer.Context, url: UrlOption = None, as_json: JsonFlag = False) -> None:
    """List the models that the server offers."""
    settings = settings_of(ctx, url, as_json)
    with settings.client() as client:
        served = client.models()
    if settings.as_json:
        for model in served:
            print_json(model.model_dump(mode="json"))
    elif is_rich():
        table = Table.grid(padding=(0, 3))
        for model in served:
            what = "answers directly" if is_direct(model.id) else "drafts, witnesses, keeps or revises"
            table.add_row(Text(clean(model.id), style="bold"), what, Text(clean(model.adapter or ""), style="dim"))
        print_table(table)
    else:
        for model in served:
            print(clean(model.id))
