"""`tear` as a person meets it: on a terminal, with keys pressed, against the live server."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from live.conftest import TEAR, LiveServer

from tear_client.commands.dialogue import Dialogue

LIMIT_S = 120
ROWS, COLUMNS = 60, 100
CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])|\r")
CTRL_C, CTRL_D, UP, TAB = "\x03", "\x04", "\x1b[A", "\t"
ASKED = "We buried my uncle on Friday. I can't go into his shed."


class Terminal:
    """A terminal with a command in it."""

    def __init__(self, screen: int, process: subprocess.Popen[bytes]) -> None:
        self._screen = screen
        self.process = process
        self.shown = ""
        """All that was written, without what moves the cursor and colours it."""
        self.written = b""
        self._seen = 0

    def press(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def until(self, text: str) -> str:
        """Wait until `text` is written, and return what was since the last wait."""
        deadline = time.monotonic() + LIMIT_S
        while (found := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.shown[self._seen :]}"
            assert self._read(), f"it ended before {text!r}:\n{self.shown[self._seen :]}"
        since, self._seen = self.shown[self._seen : found], found + len(text)
        return since

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], LIMIT_S)
        assert ready, "silence"
        try:
            written = os.read(self._screen, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.written += written
        self.shown = CONTROL.sub("", self.written.decode(errors="ignore"))
        return bool(written)


@contextmanager
def terminal(live: LiveServer, *arguments: str, **environment: str) -> Iterator[Terminal]:
    screen, keyboard = pty.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [TEAR, "--url", live.url, *arguments],
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C reaches it
        env={**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
    )
    os.close(keyboard)
    try:
        yield Terminal(screen, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
        os.close(screen)


def test_a_person_talks_looks_back_keeps_it_and_leaves(live: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    with terminal(live, "chat", "--seed", "2") as at:
        at.until("you > ")
        at.press(f"{ASKED}\n")
        assert "witness" in at.until("you > ")
        at.press(f"/wit{TAB}\n")
        assert "/witness" in at.until("weight")
        at.until("you > ")
        at.press("/report +2 I opened the shed.\n")
        at.until("Reported on refl-")
        at.until("you > ")
        at.press(f"/save {file}\n")
        at.until("1 turns are in")
        at.until("you > ")
        at.press(CTRL_D)
        assert at.end() == 0
    [turn] = Dialogue.load(file).turns
    assert (turn.said, turn.reflection.status) == (ASKED, "complete")


def test_ctrl_c_stops_an_answer_and_not_the_conversation(live: LiveServer) -> None:
    with terminal(live, "chat") as at:
        at.until("you > ")
        at.press(f"{ASKED}\n")
        at.until("waiting for the server")
        at.press(CTRL_C)
        at.until("Stopped.")
        at.until("you > ")
        at.press(UP + "\n")
        at.until(ASKED)
        assert "answer" in at.until("you > ")
        at.press(CTRL_C)
        at.until("Ctrl-D ends.")
        at.press("/quit\n")
        assert at.end() == 0


def test_ask_draws_the_chain_and_the_weight_on_its_scale(live: LiveServer) -> None:
    with terminal(live, "ask", ASKED, "--seed", "2") as at:
        assert at.end() == 0
        for part in ("draft", "witness", "answer", "weight", "−3 ", " +3", "decision", "refl-"):
            assert part in at.shown


@pytest.mark.parametrize(("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["", "NO_COLOR"])
def test_no_color_takes_the_colours_away(live: LiveServer, environment: dict[str, str], is_coloured: bool) -> None:
    with terminal(live, "ask", ASKED, "--seed", "2", **environment) as at:
        assert at.end() == 0
        assert (re.search(rb"\x1b\[[0-9;]*3[1-6]m", at.written) is not None) == is_coloured
