"""The `tear` command.

Exit codes: 0 well, 1 an error, told in a sentence, 2 wrong usage, 3 an answer weighs less than `tear witness
--fail-below` asked for, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from tear_chain.errors import RequestError, TearError
from tear_client.address import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from tear_client.commands.adapters import adapters_app
from tear_client.commands.ask import ask
from tear_client.commands.chat import chat
from tear_client.commands.models import models
from tear_client.commands.options import JsonFlag, Settings
from tear_client.commands.report import report
from tear_client.commands.witness import witness
from tear_client.errors import InvalidKey, Unavailable
from tear_client.lazy import ExtraMissing, HouseGroup, add_guests
from tear_client.terminal import prepare_streams, print_problem

FAILED = 1
WRONG_USAGE = 2
STOPPED = 130

app = typer.Typer(
    cls=HouseGroup,
    help="The Tear: a model drafts, witnesses what its words would do, then keeps or revises them.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


@app.callback(invoke_without_command=True)
def tear(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option("--url", envvar=URL_VARIABLE, metavar="URL", help="The server's address.")
    ] = DEFAULT_URL,
    api_key: Annotated[
        str | None,
        typer.Option("--api-key", envvar=KEY_VARIABLE, metavar="KEY", help="The key, if the server wants one."),
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


for _command in (ask, chat, witness, models, report):
    app.command()(_command)
app.add_typer(adapters_app, name="adapters")
add_guests(app)


def _sentence(error: TearError) -> str:
    if isinstance(error, InvalidKey):
        return f"{error.sentence()} Give the key with --api-key or {KEY_VARIABLE}."
    if isinstance(error, Unavailable) and error.retry_after_s is not None:  # a limit says it itself
        return f"{error.sentence()} Ask again in {math.ceil(error.retry_after_s)} s."
    return error.sentence()


def _exit_code(error: TearError) -> int:
    return WRONG_USAGE if isinstance(error, (RequestError, ExtraMissing)) else FAILED


def _usage_sentence(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split())
    stop = "" if said.endswith((".", "?")) else "."
    return f"{said}{stop} See {'tear' if context is None else context.command_path} --help."
