"""Where the command reads and writes: which view fits, what was typed, and the one sentence when it goes wrong."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from tear_chain.errors import InvalidRequest
from tear_chain.events import Event
from tear_client.plain import PlainView
from tear_client.render import LiveView
from tear_client.safetext import clean, escape_json


class View(Protocol):
    """Shows a reflection as it happens."""

    def take(self, event: Event) -> None:
        """Add what one event tells."""


def prepare_streams() -> None:
    """Let no character that a terminal's encoding lacks end the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def is_rich() -> bool:
    """Whether standard output is a terminal that can redraw itself."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


@contextmanager
def reflection_view(*, direct: bool) -> Iterator[View]:
    """The view that fits standard output."""
    if is_rich():
        with LiveView(Console(highlight=False), direct=direct) as live:
            yield live
        return
    plain = PlainView(sys.stdout, direct=direct)
    try:
        yield plain
    finally:
        plain.close()


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    print(escape_json(json.dumps(value, ensure_ascii=False)), flush=True)


def print_problem(sentence: str) -> None:
    """What went wrong, on standard error; a terminal gets it wrapped between words."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(Text(clean(sentence)))
    else:
        print(clean(sentence), file=sys.stderr, flush=True)


def print_aside(text: str) -> None:
    """A quiet remark to the person at the terminal; a pipe does not need it."""
    if is_rich():
        Console(highlight=False).print(Text(clean(text), style="dim"))


def read_piped() -> str:
    """All of standard input; raise `InvalidRequest` where it is not text."""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InvalidRequest("Standard input is not UTF-8 text. Convert it first.") from error
