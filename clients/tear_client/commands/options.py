"""What the commands share: the server's address and key, and the options that several of them have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

import typer

from tear_client.client import Client

_LONGEST_WAIT_S = 5.0
"""Of pauses that a server asks for; a longer one a person wants to be told of."""

JsonFlag = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON, one object per line.")]
UrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help="Another server's address.")]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", metavar="NAME", help="One of `tear models`.")]
DirectFlag = Annotated[bool, typer.Option("--direct", metavar="", help="Answer without reflection.")]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature", "-t", min=0, metavar="T", help="0 answers the same each time.")
]
SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="The same seed, the same answer.")]
MaxTokensOption = Annotated[
    int | None,
    typer.Option("--max-tokens", min=1, metavar="N", help="Limit on all tokens, draft and witness included."),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is common to all commands that ask a server."""

    url: str
    api_key: str | None = field(repr=False)
    as_json: bool

    def client(self, *, longest_wait_s: float = _LONGEST_WAIT_S) -> Client:
        """A client for that server."""
        return Client(self.url, self.api_key, longest_wait_s=longest_wait_s)


def settings_of(ctx: typer.Context, url: str | None, as_json: bool) -> Settings:
    """What was said before the command's name, and after it, which goes over it."""
    settings: Settings = ctx.obj
    return replace(settings, url=url or settings.url, as_json=as_json or settings.as_json)
