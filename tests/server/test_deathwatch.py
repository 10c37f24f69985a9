from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

WAIT = "import time; time.sleep(60)"
WATCH = f"""
import sys
from tear_server.deathwatch import Deathwatch
Deathwatch().end_with_process(int(sys.argv[1]))
{WAIT}
"""


@pytest.fixture
def watched() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", WAIT]) as process:
        yield process
        process.kill()


def test_a_watching_process_ends_with_the_one_it_watches_and_not_before(watched: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen([sys.executable, "-c", WATCH, str(watched.pid)]) as watching:
        with pytest.raises(subprocess.TimeoutExpired):
            watching.wait(0.5)
        watched.kill()
        assert watching.wait(30) == -signal.SIGKILL


def test_one_that_comes_too_late_ends_at_once(watched: subprocess.Popen[bytes]) -> None:
    watched.kill()
    watched.wait()
    with subprocess.Popen([sys.executable, "-c", WATCH, str(watched.pid)]) as watching:
        assert watching.wait(30) == -signal.SIGKILL
