"""The committed dashboards against Grafana's own types, by TypeScript's compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from observe.panels_of import DEPLOY, FOLDER, NAMES

ROOT = DEPLOY.parent
TYPES = ROOT / ".grafana" / "types"
FLAGS = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assert (TYPES / "node_modules").is_dir(), "Grafana's types are not installed: make dashboards-check installs them"
    (tmp_path / "node_modules").symlink_to(TYPES / "node_modules")
    (tmp_path / "board.ts").write_text((DEPLOY / "grafana" / "board.ts").read_text())
    return tmp_path


def compile_boards(project: Path, boards: dict[str, str]) -> str:
    """What the compiler has against them; nothing if they are well."""
    for name, json in boards.items():
        head = 'import type { Board } from "./board"; export const board: Board = '
        (project / f"{name}.ts").write_text(f"{head}{json}")
    path = {"PATH": f"{ROOT / '.peers' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["node_modules/.bin/tsc", *FLAGS, *(f"{name}.ts" for name in boards)]
    done = subprocess.run(command, cwd=project, env=path, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_every_dashboard_is_of_grafanas_type(project: Path) -> None:
    assert compile_boards(project, {name: (FOLDER / f"{name}.json").read_text() for name in NAMES}) == ""


def test_a_misspelled_field_and_a_made_up_value_are_not(project: Path) -> None:
    json = (FOLDER / "engine.json").read_text()
    found = compile_boards(
        project, {"field": json.replace('"title":', '"titel":', 1), "value": json.replace('"absolute"', '"absolut"', 1)}
    )
    assert "field.ts" in found
    assert "value.ts" in found
