"""`tear chat`: turn after turn."""

from __future__ import annotations

import typer

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
from tear_client.commands.talk import Talk

_LONGEST_WAIT_S = 1.0
"""A longer pause is counted down."""


def chat(
    ctx: typer.Context,
    model: ModelOption = None,
    direct: DirectFlag = False,
    temperature: TemperatureOption = None,
    seed: SeedOption = None,
    max_tokens: MaxTokensOption = None,
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Talk, turn by turn; /help lists the rest, Ctrl-D ends."""
    settings = settings_of(ctx, url, as_json)
    wishes = Wishes(model=model, temperature=temperature, seed=seed, max_completion_tokens=max_tokens)
    with settings.client(longest_wait_s=_LONGEST_WAIT_S) as client:
        Talk(Speaker(client, as_json=settings.as_json), wishes, direct=direct).run()
