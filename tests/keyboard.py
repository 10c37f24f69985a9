"""A terminal with a command in it, and somebody who presses keys: a pty."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CTRL_C, CTRL_D, UP, TAB = "\x03", "\x04", "\x1b[A", "\t"

_TEAR = Path(sys.executable).with_name("tear")
_LIMIT_S = 60
_TOLD = 2000
"""Characters of what was shown, in a failure."""
_ROWS, _COLUMNS = 60, 100
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])|\r")


class Terminal:
    """What `tear` shows, and the keys that are pressed."""

    def __init__(self, screen: int, process: subprocess.Popen[bytes]) -> None:
        self._screen = screen
        self._process = process
        self._seen = 0
        self.written = b""
        """All that was written."""
        self.shown = ""
        """The same without what moves the cursor and gives colours."""

    def press(self, keys: str) -> None:
        """Press keys. What is pressed before a prompt stands there may be lost, as on any terminal."""
        os.write(self._screen, keys.encode())

    def until(self, text: str) -> str:
        """Wait until `text` is written, and return what was since the last wait."""
        deadline = time.monotonic() + _LIMIT_S
        while (found := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.shown[self._seen :][-_TOLD:]}"
            assert self._read(), f"it ended before {text!r}:\n{self.shown[self._seen :][-_TOLD:]}"
        since, self._seen = self.shown[self._seen : found], found + len(text)
        return since

    def end(self) -> int:
        """Wait for the end, and return the exit code."""
        while self._read():
            pass
        return self._process.wait(_LIMIT_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._screen], [], [], _LIMIT_S)
        assert ready, f"silence after:\n{self.shown[self._seen :][-_TOLD:]}"
        try:
            written = os.read(self._screen, 65536)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.written += written
        self.shown = _CONTROL.sub("", self.written.decode(errors="ignore"))
        return bool(written)


@contextmanager
def terminal(*arguments: str, **environment: str) -> Iterator[Terminal]:
    """Run `tear` with those arguments on a terminal; what is left of it in the end is killed."""
    screen, keyboard = pty.openpty()
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [_TEAR, *arguments],
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
