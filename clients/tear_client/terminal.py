"""Where the command reads and writes: which view fits, what was typed, and the one sentence when it goes wrong."""

from __future__ import annotations

import io
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tear_chain.errors import InvalidRequest
from tear_chain.events import Event
from tear_client.phrases import gaps, signed
from tear_client.plain import PlainView
from tear_client.progress import Progress, replay_witness
from tear_client.render import LiveView, ReflectionPicture, weight_line
from tear_client.replies import Witness
from tear_client.safetext import clean, escape_json
from tear_client.scenes import scene_lines, scene_table


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


def print_table(table: Table) -> None:
    """A table, for a terminal."""
    Console(highlight=False).print(table)


def print_weight(weight: int) -> None:
    """A weight on its scale, or as a labelled figure in a pipe."""
    if is_rich():
        console = Console(highlight=False)
        console.print(weight_line(weight, None, plain=console.options.ascii_only))
    else:
        print(f"weight: {signed(weight, 0)}")


def show_witness(witness: Witness) -> None:
    """What was foreseen of one answer: the whole scene."""
    if is_rich():
        progress = Progress()
        for event in replay_witness(witness):
            progress.take(event)
        Console(highlight=False).print(ReflectionPicture(progress))
    else:
        plain = PlainView(sys.stdout)
        for event in replay_witness(witness):
            plain.take(event)
        plain.close()
    if (finding := gaps(witness)) is not None:
        print(f"status: {finding}")


def show_scenes(answers: Sequence[str], scenes: Sequence[Witness], *, first: int) -> None:
    """What was foreseen of many answers: a table, in a pipe lines with tabs; `first` numbers the first of them."""
    numbered = list(zip(range(first, first + len(scenes)), answers, scenes, strict=True))
    if is_rich():
        console = Console(highlight=False)
        console.print(scene_table(numbered, plain=console.options.ascii_only))
    else:
        for line in scene_lines(numbered):
            print(line, flush=True)


def count_down(seconds: float) -> None:
    """Wait, and show a person how long still."""
    if not is_rich():
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    live = Live(console=Console(highlight=False), transient=True, auto_refresh=False)
    try:
        live.start()
        while (left_s := end - time.monotonic()) > 0:
            live.update(Text(f"Trying again in {math.ceil(left_s)} s; Ctrl-C leaves it.", style="dim"), refresh=True)
            time.sleep(min(left_s, 1.0))
    finally:
        live.stop()


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
    elif sys.stdout.isatty():
        print(clean(text))


def read_piped() -> str:
    """All of standard input; raise `InvalidRequest` where it is not text."""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise InvalidRequest("Standard input is not UTF-8 text. Convert it first.") from error
