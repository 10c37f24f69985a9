"""Commands of the other houses: listed by `tear --help`, loaded only when called, explained when they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from tear_chain.errors import TearError

ENTRY_POINTS = "tear.commands"


@dataclass(frozen=True, slots=True)
class GuestCommand:
    """A command that another package brings through the entry points `tear.commands`."""

    name: str
    help: str
    install: str
    """What makes it work where it does not."""


GUESTS = (
    GuestCommand(
        "serve",
        "Serve reflections over HTTP.",
        "pip install 'the-tear[serve-cpu]' (or 'the-tear[serve-gpu]')",
    ),
    GuestCommand(
        "key",
        "Make an API key for a server.",
        "pip install 'the-tear[serve-cpu]' (or 'the-tear[serve-gpu]')",
    ),
    GuestCommand(
        "journal",
        "Show and purge what a server's journal holds.",
        "pip install 'the-tear[serve-cpu]' (or 'the-tear[serve-gpu]')",
    ),
    GuestCommand(
        "adapter",
        "Export an adapter, merge it into its base, push it to a model hub.",
        "pip install 'the-tear[train]' (or 'the-tear[serve-gpu]')",
    ),
    GuestCommand("train", "Train an adapter that teaches the chain to a base.", "pip install 'the-tear[train]'"),
    GuestCommand("base", "Make a base model ready for the chain.", "pip install 'the-tear[train]'"),
    GuestCommand("eval", "Score whether an adapter sees what its words do.", "pip install 'the-tear[train]'"),
    GuestCommand("sweep", "Train and score a grid of lambdas, controls and seeds.", "pip install 'the-tear[train]'"),
    GuestCommand("data", "Import, audit, expand and review training rows.", "pip install 'the-tear[data]'"),
)
_COMPLETION = ("install_completion", "show_completion")
"""Parameters that Typer gives to every application; here only `tear` itself has them."""

_BY_NAME = {guest.name: guest for guest in GUESTS}


class ExtraMissing(TearError):
    """The command needs packages that are not installed."""

    code = "extra_missing"


class HouseGroup(TyperGroup):
    """A group whose guests are loaded when one of them is called.

    Typer does not tell the types of a context and a command publicly, hence `Any`.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a guest's stand-in is exchanged for the real one."""
        name, command, rest = super().resolve_command(ctx, args)
        if name not in _BY_NAME:
            return name, command, rest
        try:
            return name, load_guest(_BY_NAME[name]), rest
        except ExtraMissing:
            if ctx.resilient_parsing:  # completion has nothing to offer, and nowhere to say so
                return name, command, rest
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a guest may find out only then that a package is missing."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            guest = _BY_NAME.get(ctx.invoked_subcommand)
            if guest is None or _is_ours(error):
                raise
            raise _missing(guest, error) from error


def add_guests(app: typer.Typer) -> None:
    """List the guests in the help of `app`, whose group is a `HouseGroup`."""
    for guest in GUESTS:
        app.command(guest.name, help=guest.help, rich_help_panel="Server and training")(_stand_in)


def load_guest(guest: GuestCommand) -> Any:
    """The guest's real command; raise `ExtraMissing` where its packages are not installed."""
    found = entry_points(group=ENTRY_POINTS, name=guest.name)
    if not found:
        raise ExtraMissing(f"`tear {guest.name}` is not part of this installation. Install it with {guest.install}.")
    try:
        loaded: typer.Typer | Callable[..., Any] = next(iter(found)).load()
    except ModuleNotFoundError as error:
        if _is_ours(error):
            raise
        raise _missing(guest, error) from error
    if isinstance(loaded, typer.Typer):
        guest_app = loaded
    else:
        guest_app = typer.Typer()
        guest_app.command()(loaded)
    command = typer.main.get_command(guest_app)
    command.name = guest.name
    command.params = [parameter for parameter in command.params if parameter.name not in _COMPLETION]
    return command


def _is_ours(error: ModuleNotFoundError) -> bool:
    """Whether a module inside our own packages is missing: a fault of the program, not of the installation."""
    return (error.name or "").startswith("tear_") and "." in (error.name or "")


def _missing(guest: GuestCommand, error: ModuleNotFoundError) -> ExtraMissing:
    package = (error.name or "a package").partition(".")[0]
    return ExtraMissing(
        f"`tear {guest.name}` needs {package}, which is not installed. Install it with {guest.install}."
    )


def _stand_in() -> None:
    """Stand for a guest until it is called."""
