"""The engine's processes do not outlive the server, however it ends.

A server that is killed outright tells nobody, and its engine would keep the memory, a GPU's too, with nobody to ask it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading


class Deathwatch:
    """What vLLM's workers are extended by; its core ends with its workers."""

    def end_with_process(self, pid: int) -> None:
        """From now on, end this process when process `pid` has ended."""
        threading.Thread(target=_end_with, args=(pid,), name="Deathwatch", daemon=True).start()


def _end_with(pid: int) -> None:
    ended = select.poll()
    with contextlib.suppress(ProcessLookupError):
        ended.register(os.pidfd_open(pid), select.POLLIN)
        ended.poll()
    os.kill(os.getpid(), signal.SIGKILL)
