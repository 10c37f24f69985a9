from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from training.expand.conftest import WAIT_S, Answered, Body, Server, reply
from typer.testing import CliRunner, Result

from tear_training.expand.command import STOPPED, expand_command
from tear_training.rows import load_rows

PROGRAM = "import typer; from tear_training.expand.command import expand_command; typer.run(expand_command)"

app = typer.Typer()
app.command()(expand_command)


def invoke(*arguments: object, env: dict[str, str] | None = None) -> Result:
    clean = {"OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, "OPENAI_ADMIN_KEY": None, "TEAR_JUDGE_API_KEY": None}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=clean | (env or {}))


def asked(server: Server, folder: Path, *more: object) -> list[object]:
    return [
        *("--out", folder / "out.jsonl", "--model", "writer", "--license", "CC0-1.0", "--situations", 3),
        *("--base-url", server.url, "--api-key", "none", *more),
    ]


def test_rows_are_written_and_told_of(server: Server, tmp_path: Path) -> None:
    done = invoke(*asked(server, tmp_path, "--judge-model", "judge"))
    assert done.exit_code == 0, done.output
    assert "12 rows are in" in done.stdout
    assert "3 whole squares of 3 situations" in done.stdout
    assert "12 rows accepted, 0 rejected" in done.stderr
    assert len(load_rows(tmp_path / "out.jsonl")) == 12
    assert len(list((tmp_path / "out.cache").iterdir())) == 15


def test_address_and_key_may_come_from_the_environment(server: Server, tmp_path: Path) -> None:
    arguments = asked(server, tmp_path, "--no-judge")[:8]
    done = invoke(*arguments, "--no-judge", env={"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "none"})
    assert done.exit_code == 0, done.output
    assert len(server.answered) == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "No judge is given"),
        (["--judge-model", "writer"], "cannot judge what it wrote itself"),
        (["--judge-model", "other", "--judge-base-url", "http://127.0.0.1:1"], "needs --judge-api-key"),
        (["--no-judge", "--against", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--no-judge", "--plan", "nowhere.yaml"], "nowhere.yaml cannot be read"),
    ],
    ids=["no judge", "same model", "other host without a key", "nothing to hold against", "no plan"],
)
def test_what_cannot_be_is_said_in_a_sentence(server: Server, tmp_path: Path, more: list[str], said: str) -> None:
    done = invoke(*asked(server, tmp_path, *more))
    assert (done.exit_code, server.asked) == (1, [])
    assert said in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_missing_key_is_said(server: Server, tmp_path: Path) -> None:
    done = invoke(*asked(server, tmp_path)[:8], "--base-url", server.url, "--no-judge")
    assert done.exit_code == 1
    assert "OPENAI_API_KEY" in done.stderr


def test_no_key_reaches_a_file(server: Server, tmp_path: Path) -> None:
    key = "sk-very-secret"
    done = invoke(*asked(server, tmp_path)[:8], "--base-url", server.url, "--api-key", key, "--judge-model", "judge")
    assert done.exit_code == 0, done.output
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 17
    assert not any(key in text or server.url in text for text in [*written, done.output])


def test_situations_without_a_reply_are_told_of_and_fail_the_command(server: Server, tmp_path: Path) -> None:
    refused = iter([Answered(status=400, body=b'{"error": {"message": "not now"}}')])
    server.script = lambda body: next(refused, None) or reply(body)
    done = invoke(*asked(server, tmp_path, "--no-judge"))
    assert done.exit_code == 1
    assert "1 situations got no reply" in done.stderr
    assert "not now" in done.stderr
    assert len(load_rows(tmp_path / "out.jsonl")) == 8


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_goes_on_and_asks_nothing_twice(server: Server, tmp_path: Path, sign: signal.Signals) -> None:
    stuck, let_go = threading.Event(), threading.Event()

    def stalls_midway(body: Body) -> Answered:
        if len(server.asked) > 7:
            stuck.set()
            let_go.wait(WAIT_S)
        return reply(body)

    server.script = stalls_midway
    arguments = [str(argument) for argument in asked(server, tmp_path, "--judge-model", "judge", "--concurrency", 1)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    with process:
        assert stuck.wait(WAIT_S)
        process.send_signal(sign)
        _, said = process.communicate(timeout=WAIT_S)
    let_go.set()
    assert process.returncode == (STOPPED if sign == signal.SIGINT else -sign)
    assert sign != signal.SIGINT or "run the same command again" in said
    asked_before = len(server.asked)
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    assert "8 requests, 7 replies from the cache" in done.stdout
    assert len(server.asked) - asked_before == 8
    assert len(load_rows(tmp_path / "out.jsonl")) == 12
