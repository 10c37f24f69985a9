"""Requests drawn from the server's own OpenAPI description, right and wrong ones: none is answered with 5xx."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

PEERS = Path(__file__).parent.parent.parent / ".peers"
HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
SMALL, FULL = 4, 400
"""Examples for each operation, beside those that cover each rule of the description once."""
LIMIT_S = 3000


@pytest.mark.timeout(LIMIT_S + 60)
def test_no_request_is_answered_with_a_server_error(http: httpx.Client, is_full: bool, tmp_path: Path) -> None:
    if not (PEERS / ".ready").is_file():
        pytest.fail(f"{PEERS} is missing: `make peers` installs schemathesis there.")
    command = [
        *(PEERS / "bin" / "schemathesis", "run", f"{http.base_url}/openapi.json".replace("//openapi", "/openapi")),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(FULL if is_full else SMALL), "--seed", "20261122"),
        # One worker: several threads of hypothesis make the parser of Python 3.11 fail.
        *("--workers", "1", "--request-timeout", "120", "--generation-database", "none", "--no-color"),
        *("--exclude-path", "/metrics", "--suppress-health-check", "all", "--warnings", "off"),
    ]
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=LIMIT_S,
        check=False,
        env={**surroundings, "SCHEMATHESIS_HOOKS": str(HOOKS)},
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    [generated] = re.findall(r"(\d+) generated", done.stdout)
    print(f"{generated} requests")
    assert int(generated) > 100
    assert http.get("/ready").status_code == 200
