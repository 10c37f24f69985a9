"""The `tear` command.

Exit codes: 0 well, 1 the server or its engine failed, 2 wrong usage, 3 no server there, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest, RequestError, TearError
from tear_chain.wire import dump_reflection
from tear_chain.words import Reflection
from tear_client.chat import Chat
from tear_client.address import DEFAULT_URL
from tear_client.calls import DIRECT_SUFFIX, is_direct
from tear_client.client import Client
from tear_client.errors import ServerUnreachable, StatusError
from tear_client.lazy import ExtraMissing, HouseGroup, add_guests
from tear_client.progress import replay
from tear_client.safetext import clean
from tear_client.terminal import (
    is_rich,
    prepare_streams,
    print_json,
    print_problem,
    read_piped,
    reflection_view,
)

FAILED = 1
WRONG_USAGE = 2
NO_SERVER = 3
STOPPED = 130

_UNAUTHORIZED = 401

app = typer.Typer(
    cls=HouseGroup,
    help="The Tear: a model drafts, witnesses what its words would do, then keeps or revises them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is common to all commands that ask a server."""

    url: str
    api_key: str | None = field(repr=False)
    as_json: bool

    def client(self) -> Client:
        """A client for that server."""
        return Client(self.url, self.api_key)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How an answer is wanted; None leaves it to the server."""

    model: str | None
    draft: str | None
    temperature: float | None
    seed: int | None
    max_tokens: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    try:
        code = typer.main.get_command(app).main(
            sys.argv[1:] if arguments is None else list(arguments), prog_name="tear", standalone_mode=False
        )
    except TearError as error:
        print_problem(_sentence(error))
        return _exit_code(error)
    except typer.TyperException as error:
        if error.format_message().strip():  # a group called without a command has shown its help, and that is all
            print_problem(_usage_sentence(error))
        return WRONG_USAGE
    except typer.Abort:
        return STOPPED
    return code if isinstance(code, int) else 0


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"tear {version('the-tear')}")
        raise typer.Exit


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


@app.callback(invoke_without_command=True)
def tear(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option("--url", envvar="TEAR_URL", metavar="URL", help="The server's address.")
    ] = DEFAULT_URL,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", envvar="TEAR_API_KEY", metavar="KEY", help="The key, if the server wants one."),
    ] = None,
    as_json: JsonFlag = False,
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, metavar="", help="Print the version.")
    ] = False,
) -> None:
    """Keep what is common to all commands; without a command, show the help."""
    ctx.obj = Settings(url, api_key, as_json)
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit(WRONG_USAGE)


@app.command()
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
    url: UrlOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say something, and see draft, witness and answer."""
    settings = _settings(ctx, url, as_json)
    if direct and draft is not None:
        raise InvalidRequest("--draft is witnessed and --direct witnesses nothing. Give one of them.")
    said = _said(text)
    wishes = Wishes(model, draft, temperature, seed, max_tokens)
    with settings.client() as client:
        _reflect(client, [Message(Role.USER, said)], wishes, settings, direct=direct, stream=stream)


@app.command()
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
    """Talk, turn by turn; /quit or Ctrl-D ends it."""
    settings = _settings(ctx, url, as_json)
    wishes = Wishes(model, None, temperature, seed, max_tokens)
    with settings.client() as client:

        def ask_about(messages: list[Message], bypass: bool) -> Reflection:
            return _reflect(client, messages, wishes, settings, direct=bypass, stream=True)

        Chat(ask_about, direct=direct).run()


@app.command()
def models(ctx: typer.Context, url: UrlOption = None, as_json: JsonFlag = False) -> None:
    """List the models that the server offers."""
    settings = _settings(ctx, url, as_json)
    with settings.client() as client:
        served = client.models()
    if settings.as_json:
        for model in served:
            print_json(model.model_dump(mode="json"))
    elif is_rich():
        table = Table.grid(padding=(0, 3))
        for model in served:
            what = "answers directly" if is_direct(model.id) else "drafts, witnesses, keeps or revises"
            table.add_row(Text(clean(model.id), style="bold"), Text(what, style="dim"))
        Console(highlight=False).print(table)
    else:
        for model in served:
            print(clean(model.id))


add_guests(app)


def _settings(ctx: typer.Context, url: str | None, as_json: bool) -> Settings:
    settings: Settings = ctx.obj
    return replace(settings, url=url or settings.url, as_json=as_json or settings.as_json)


def _said(text: str | None) -> str:
    if text == "-" or (text is None and not sys.stdin.isatty()):
        text = read_piped()
    if text is None or not text.strip():
        raise InvalidRequest('There is nothing to ask. Say something, as in tear ask "TEXT", or pipe it in.')
    return text


def _reflect(
    client: Client, messages: list[Message], wishes: Wishes, settings: Settings, *, direct: bool, stream: bool
) -> Reflection:
    """Ask, show it, and return it."""
    name = _direct_name(client, wishes.model) if direct else wishes.model
    if settings.as_json:
        reflection = _whole(client, messages, wishes, name)
        print_json(dump_reflection(reflection))
        return reflection
    with reflection_view(direct=name is not None and is_direct(name)) as view:
        if not stream:
            reflection = _whole(client, messages, wishes, name)
            for event in replay(reflection):
                view.take(event)
            return reflection
        with client.stream(
            messages,
            model=name,
            draft=wishes.draft,
            temperature=wishes.temperature,
            seed=wishes.seed,
            max_completion_tokens=wishes.max_tokens,
        ) as events:
            for event in events:
                view.take(event)
            return events.final()


def _whole(client: Client, messages: list[Message], wishes: Wishes, model: str | None) -> Reflection:
    return client.reflect(
        messages,
        model=model,
        draft=wishes.draft,
        temperature=wishes.temperature,
        seed=wishes.seed,
        max_completion_tokens=wishes.max_tokens,
    )


def _direct_name(client: Client, model: str | None) -> str:
    """The name under which a model answers without reflection; with none given, that of the first served."""
    if model is not None:
        return model if is_direct(model) else f"{model}{DIRECT_SUFFIX}"
    for served in client.models():
        if is_direct(served.id):
            return served.id
    raise InvalidRequest("This server has no model that answers directly. Leave --direct out.")


def _sentence(error: TearError) -> str:
    if isinstance(error, StatusError) and error.status == _UNAUTHORIZED:
        return f"{error.sentence()} Give the key with --api-key or TEAR_API_KEY."
    return error.sentence()


def _exit_code(error: TearError) -> int:
    if isinstance(error, ServerUnreachable):
        return NO_SERVER
    return WRONG_USAGE if isinstance(error, (RequestError, ExtraMissing)) else FAILED


def _usage_sentence(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split())
    stop = "" if said.endswith((".", "?")) else "."
    return f"{said}{stop} See {'tear' if context is None else context.command_path} --help."
