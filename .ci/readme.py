"""Do what the README says: run its `sh` and `python` blocks in order, as a newcomer would.

`make serve` runs in the background until the block that begins the tests; a `console` block is shown, not run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_URL = "http://127.0.0.1:8000/ready"
READY_LIMIT_S = 45 * 3  # the README's promise, thrice over for a shared machine; the time seen is printed
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main(readme: Path) -> None:
    server: subprocess.Popen[bytes] | None = None
    try:
        for language, code in BLOCK.findall(readme.read_text(encoding="utf-8")):
            print(f"\n--- README, {language}:\n{code}---", flush=True)
            if "make serve" in code:
                server = start(code)
                continue
            if "make test" in code and server is not None:
                stop(server)
                server = None
            command = (
                [".venv/bin/python", "-c", code] if language == "python" else ["bash", "-euo", "pipefail", "-c", code]
            )
            subprocess.run(command, check=True)
    finally:
        if server is not None:
            stop(server)


def start(code: str) -> subprocess.Popen[bytes]:
    server = subprocess.Popen(["bash", "-euo", "pipefail", "-c", code], start_new_session=True)
    began = time.monotonic()
    while time.monotonic() - began < READY_LIMIT_S:
        if server.poll() is not None:
            sys.exit(f"make serve ended with {server.returncode}")
        try:
            with urllib.request.urlopen(READY_URL, timeout=5):
                print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
                return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    sys.exit(f"make serve was not ready after {READY_LIMIT_S} s")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ctrl-C, as a person would."""
    os.killpg(server.pid, signal.SIGINT)
    server.wait(timeout=60)


main(Path(sys.argv[1]))
