"""deploy/container/start, in a real shell, what it says, and how `tear` is called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from deploy.files import DEPLOY

BIN = Path(sys.executable).parent
MADE = "this key was made"


def start(tmp_path: Path, *words: str, programs: Path = BIN, **variables: str) -> str:
    """All that a container says that starts so."""
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "TMPDIR": str(tmp_path),
        "TEAR_HOST": "0.0.0.0",
        "TEAR_PORT": "0",
        "TEAR_BASE": str(tmp_path / "nothing"),
    }
    done = subprocess.run(
        ["sh", DEPLOY / "container" / "start", *words],
        env=environment | variables,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
    )
    return done.stdout


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """A folder with a `tear` that says what it was called with."""
    program = tmp_path / "programs" / "tear"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "called: $*"\nenv | grep ^TEAR_\n')
    program.chmod(0o755)
    return program.parent


def test_where_nobody_said_who_may_ask_a_key_is_made_and_asked_for(tmp_path: Path) -> None:
    said = start(tmp_path, "serve")
    assert MADE in said
    assert "nothing" in said.splitlines()[-1]
    assert "no keys are set" not in said
    [keys] = tmp_path.glob("*/keys.yaml")
    assert keys.stat().st_mode & 0o777 == 0o600


def test_no_key_is_made_for_those_who_said_it(tmp_path: Path, echo: Path) -> None:
    said = start(tmp_path, "serve", programs=echo, TEAR_ANYONE="true")
    assert MADE not in said
    assert "called: serve\n" in said
    assert MADE not in start(tmp_path, "serve", "--keys=keys.yaml", programs=echo)
    assert MADE not in start(tmp_path, "serve", "--anyone", programs=echo)
    assert MADE in start(tmp_path, "serve", "--name", "keys", programs=echo)


def test_other_commands_run_as_they_are(tmp_path: Path, echo: Path) -> None:
    assert start(tmp_path, "key", "alice", programs=echo).startswith("called: key alice\n")
