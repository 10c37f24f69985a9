"""`tear report`: tell the server's journal what really came of an answer."""

from __future__ import annotations

from typing import Annotated

import typer

from tear_client.commands.options import JsonFlag, UrlOption, settings_of
from tear_client.safetext import clean
from tear_client.terminal import print_json, print_weight


def report(
    ctx: typer.Context,
    reflection_id: Annotated[
        str, typer.Argument(metavar="ID", help="The reflection's id, which stands below it and in --json.")
    ],
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What happened.")],
    weight: Annotated[
        int | None,
        typer.Option("--weight", min=-3, max=3, metavar="WEIGHT", help="-3 closed the person … 3 opened them."),
    ] = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Report what really came of an answer; a second report replaces the first."""
    settings = settings_of(ctx, url, as_json)
    with settings.client() as client:
        told = client.report(reflection_id, text=text, weight=weight)
    if settings.as_json:
        print_json(told.model_dump(mode="json"))
        return
    print(f"Reported on {clean(told.id)}.")
    if told.weight is not None:
        print_weight(told.weight)
