"""The TypeScript client: its types and tests on Node.js, the module made of it, and the server's error codes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from docs.pages import read

ROOT = Path(__file__).parent.parent.parent
CLIENT = ROOT / "clients" / "typescript"
MODULE = ROOT / "clients" / "web" / "tear-client.js"
LIMIT_S = 120


def npm(*words: str) -> str:
    """What an npm script writes; Node.js is the peers', or else the machine's."""
    if not (CLIENT / "node_modules").is_dir():
        pytest.fail(f"{CLIENT}/node_modules is missing: `make ts` installs the compiler there.")
    search = f"{ROOT / '.peers' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["npm", "run", "--silent", *words]
    done = subprocess.run(
        command,
        cwd=CLIENT,
        env={**os.environ, "PATH": search},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_its_types_fit_and_its_own_tests_pass() -> None:
    told = npm("test")
    [passed] = re.findall(r"^\S pass (\d+)$", told, re.MULTILINE)
    assert int(passed) > 20, told
    assert re.search(r"^\S skipped 0$", told, re.MULTILINE), told


def test_the_module_of_the_page_is_what_the_sources_make() -> None:
    assert MODULE.read_text(encoding="utf-8") == npm("bundle"), "`make ts` makes it anew"


def test_every_code_of_the_server_has_a_class_and_its_own_advice() -> None:
    table = re.findall(r"^ {2}(\w+): \[\w+, (true|false)\],$", (CLIENT / "src" / "errors.ts").read_text(), re.MULTILINE)
    page = {code: row[2] for code, row in read("api.md").told("Code").items()}
    assert {code: "yes" if retryable == "true" else "no" for code, retryable in table} == page
