"""Every `tear` command that a page shows is one that there is: whole lines parse, mentions name what exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from docs.test_links import BY_PAGE, tokens, walk
from typer.main import get_command

from tear_chain.errors import TearError
from tear_client.main import app
from tear_server.settings import ServerSettings, read_settings

SHELLS = ("sh", "bash", "shell", "console")
OPERATORS = frozenset("|&;()<>")
FLAGS_OF_SERVE = {"--help", *(f"--{name.replace('_', '-')}" for name in ServerSettings.model_fields)}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ServerSettings.model_fields, "url", "api_key"):
        monkeypatch.delenv(f"TEAR_{name.upper()}", raising=False)


@BY_PAGE
def test_every_command_line_parses(page: Path) -> None:
    found = [f"tear {shlex.join(line)}: {fault}" for line in command_lines(page) if (fault := refused(line))]
    assert not found, "\n".join(found)


@BY_PAGE
def test_every_command_that_is_mentioned_is_there(page: Path) -> None:
    found = [f"{said}: {fault}" for said in mentions(page) if (fault := unknown(said.split()[1:]))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "is_good"),
    [
        ('ask "Hello." --seed 1', True),
        ("--url http://127.0.0.1:8001 ask Hello", True),
        ("data audit training/data --curated", True),
        ("serve --base bases/b --adapter adapters/a --port 8001", True),
        ("serve --help", True),
        ("--version", True),
        ('ask "Hello." --sead 1', False),
        ("ask Hello --seed one", False),
        ("data audits training/data", False),
        ("data", False),
        ("train training/configs/nano.yaml", False),
        ("serve --base bases/b --adaptor adapters/a", False),
        ("serve --base bases/b --port high", False),
        ("sing", False),
    ],
)
def test_a_line_is_refused_as_the_command_would(line: str, is_good: bool) -> None:
    assert (refused(shlex.split(line)) is None) is is_good


@pytest.mark.parametrize(
    ("said", "is_good"),
    [
        ("train", True),
        ("data import journal", True),
        ("serve --engine", True),
        ("journal purge --older-than", True),
        ("ask --svgs", False),
        ("serve --enginge", False),
        ("data exprt", False),
    ],
)
def test_a_mention_is_held_to_names_alone(said: str, is_good: bool) -> None:
    assert (unknown(said.split()) is None) is is_good


def test_commands_are_found_in_a_shell_and_not_in_its_output(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nTEAR_X=1 .venv/bin/tear ask \\\n  Hello | tear data world out > log  # tear no\ntearing\n```\n\n"
        "```console\n$ tear key me\ntear out\n```\n\n```text\ntear no\n```\n\n"
        "    tear base check a\n\n`tear chat` `tear`\n",
        encoding="utf-8",
    )
    lines = [["ask", "Hello"], ["data", "world", "out"], ["key", "me"], ["base", "check", "a"]]
    assert list(command_lines(page)) == lines
    assert list(mentions(page)) == ["tear chat"]


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of each `tear` in the page's blocks of shell."""
    for token in walk(tokens(page)):
        if token.type == "code_block" or (token.type == "fence" and token.info.strip() in SHELLS):
            for line in token.content.replace("\\\n", " ").splitlines():
                if token.info.strip() == "console" and not line.startswith("$ "):
                    continue
                if re.search(r"\btear\s", line):
                    yield from _calls(line.removeprefix("$ "))


def mentions(page: Path) -> Iterator[str]:
    """What stands between backticks and begins with `tear`; `…` stands for anything."""
    for token in walk(tokens(page)):
        if token.type == "code_inline" and token.content.startswith("tear "):
            yield token.content


def refused(line: Sequence[str]) -> str | None:
    """Why `tear` would refuse these arguments before it did anything; None where it would not."""
    try:
        _parse(list(line))
    except SystemExit as end:
        return "wrong usage" if end.code else None
    except typer.Exit:
        return None
    except (typer.TyperException, TearError) as exc:
        return str(exc) or type(exc).__name__
    return None


def unknown(words: Sequence[str]) -> str | None:
    """The first word that is no command, or the first option that the command has not."""
    command: Any = get_command(app)
    flags = _flags(command)
    names = list(words)
    while names and not names[0].startswith("-") and hasattr(command, "commands"):
        context = command.make_context("tear", [names[0]], resilient_parsing=True)
        name = names.pop(0)
        if name not in command.commands:
            return f"there is no command {name}"
        command = command.resolve_command(context, [name])[1]
        flags |= FLAGS_OF_SERVE if name == "serve" else _flags(command)
    wrong = [word for word in names if word.startswith("--") and word.partition("=")[0] not in flags]
    return f"there is no option {wrong[0]}" if wrong else None


def _parse(line: list[str]) -> None:
    name, command, context = "tear", get_command(app), None
    while True:
        made: Any = command.make_context(name, line, parent=context)
        if name == "serve":
            read_settings(made.args)
            return
        if not hasattr(command, "resolve_command"):
            return
        # A group keeps its command's name apart from the arguments, and tells it nowhere else.
        rest = [*made._protected_args, *made.args]
        if not rest:  # a group that does something by itself
            return
        (name, command, line), context = command.resolve_command(made, rest), made


def _flags(command: Any) -> set[str]:
    flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    return {"--help", *flags}


def _calls(line: str) -> Iterator[list[str]]:
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= OPERATORS:
            while call and re.match(r"\w+=", call[0]):
                call.pop(0)
            if call and Path(call[0]).name == "tear":
                yield call[1:]
            call = []
        else:
            call.append(word)
