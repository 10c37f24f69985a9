"""docs/client.md is whole and true: its code runs, and its tables are those of the code."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer
from docs.pages import read
from folders import build_house
from listening import listening, opened

import tear_client
from tear_chain.tokenizer import ChainTokenizer
from tear_client import AsyncClient, Client, errors, main
from tear_client.address import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from tear_client.commands import witness
from tear_client.commands.talk import COMMANDS
from tear_client.lazy import GUESTS

PAGE = read("client.md")
PYTHON, SHELL = PAGE.code("python"), PAGE.code("sh")


@pytest.fixture
def served(tokenizer: ChainTokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with a journal and a folder of adapters, where the environment says; this folder is an empty one."""
    house = build_house(tokenizer, tmp_path / "house")
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    with listening(opened(house.service, journal=tmp_path / "journal.db")) as url:
        monkeypatch.setenv(URL_VARIABLE, url)
        monkeypatch.delenv(KEY_VARIABLE, raising=False)
        yield url


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_every_block_of_python_runs_and_prints(served: str, block: str) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(block.replace(DEFAULT_URL, served), "docs/client.md", "exec"), {"__name__": "recipe"})
    assert printed.getvalue().strip() or "print(" not in block


@pytest.mark.parametrize("block", SHELL, ids=range(len(SHELL)))
def test_every_block_of_shell_runs(served: str, block: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    run = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_recipe_that_is_wrong_fails(served: str) -> None:
    with pytest.raises(AttributeError):
        test_every_block_of_python_runs_and_prints(served, PYTHON[0].replace(".impact", ".impakt"))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_method_is_told_and_no_other(kind: type) -> None:
    assert set(PAGE.section("Python").named("Method")) == {name for name in vars(kind) if not name.startswith("_")}


def test_every_error_is_told_with_its_codes() -> None:
    told = PAGE.section("Python").told("Class")
    public = {name for name, kind in vars(tear_client).items() if is_error(kind)} - {"TearError", "ClientError"}
    assert set(told) == public
    codes = {code: name for name, row in told.items() for code in errors.CODES if f"`{code}`" in row[1]}
    assert codes == {code: kind.__name__ for code, kind in errors.CODES.items()}


def is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def test_every_wish_is_told() -> None:
    for name in tear_client.Wishes.__annotations__:
        assert f"`{name}`" in PAGE.section("Python").text


def test_every_command_and_option_is_told_and_no_other() -> None:
    group: Any = typer.main.get_command(main.app)
    guests = {guest.name for guest in GUESTS}
    ours = {name: command for name, command in group.commands.items() if name not in guests}
    section = PAGE.section("The command")
    assert {name.removeprefix("tear ") for name in section.named("Command")} == set(ours)
    parts = [group, *ours.values(), *ours["adapters"].commands.values()]
    flags = {flag for part in parts for each in part.params for flag in (*each.opts, *each.secondary_opts)}
    assert set(section.named("Option")) == {flag for flag in flags if flag.startswith("--")}


def test_every_exit_code_is_told() -> None:
    codes = {0, main.FAILED, main.WRONG_USAGE, witness.BELOW, main.STOPPED}
    assert {int(row[0]) for row in PAGE.section("The command").rows("Exit code")} == codes


def test_every_command_of_the_chat_is_told_and_no_other() -> None:
    assert PAGE.section("The command").named("Chat command") == list(COMMANDS)


def test_the_picture_fetches_nothing_from_elsewhere() -> None:
    picture = (Path(__file__).parent.parent.parent / "docs" / "pictures" / "tear-ask.svg").read_text(encoding="utf-8")
    assert "tear ask" in picture.replace("&#160;", " ")
    assert "url(http" not in picture.replace('"', "")
