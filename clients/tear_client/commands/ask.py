"""`tear ask`: say something once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest
from tear_client.calls import Wishes
from tear_client.commands.options import (
    DirectFlag,
    JsonFlag,
    MaxTokensOption,
    ModelOption,
    SeedOption,
    TemperatureOption,
    UrlOption,
    settings_of,
)
from tear_client.commands.showing import Speaker
from tear_client.picture import save_picture
from tear_client.terminal import read_piped


def ask(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What you say; with - or nothing it is read from a pipe.")
    ] = None,
    model: ModelOption = None,
    direct: DirectFlag = False,
    draft: Annotated[
        str | None, typer.Option("--draft", metavar="TEXT", help="Someone's answer: witness it, keep or revise it.")
    ] = None,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    max_tokens: MaxTokensOption = None,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", metavar="", help="Show it while it is written.")
    ] = True,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Save it as a picture, too."),
    ] = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say something, and see draft, witness and answer."""
    settings = settings_of(ctx, url, as_json)
    if direct and draft is not None:
        raise InvalidRequest("--draft is witnessed and --direct witnesses nothing. Give one of them.")
    said = _said(text)
    wishes = Wishes(model=model, draft=draft, temperature=temperature, seed=seed, max_completion_tokens=max_tokens)
    with settings.client() as client:
        speaker = Speaker(client, as_json=settings.as_json)
        reflection = speaker.reflect([Message(Role.USER, said)], wishes, direct=direct, stream=stream)
    if svg is not None:
        save_picture(svg, said, reflection)


def _said(text: str | None) -> str:
    if text == "-" or (text is None and not sys.stdin.isatty()):
        text = read_piped()
    if text is None or not text.strip():
        raise InvalidRequest('There is nothing to ask. Say something, as in tear ask "TEXT", or pipe it in.')
    return text
