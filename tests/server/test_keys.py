from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer import Typer
from typer.testing import CliRunner

from tear_chain.errors import InvalidRequest
from tear_server.command import key_command
from tear_server.keys import add_key, load_keys, make_key, name_of

LIMITS = ["--requests-per-minute", "9", "--tokens-per-minute", "9000"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def test_a_key_is_known_by_its_hash_and_kept_nowhere(file: Path) -> None:
    key = add_key(file, "alice", requests_per_minute=5, admin=False)
    assert key not in file.read_text()
    assert name_of(load_keys(file), key) == "alice"
    assert file.stat().st_mode & 0o077 == 0


def test_keys_are_told_apart(file: Path) -> None:
    made = {name: add_key(file, name, requests_per_minute=None, admin=False) for name in ("alice", "bob", "carol")}
    keys = load_keys(file)
    assert {name_of(keys, key): key for key in made.values()} == made
    assert name_of(keys, make_key()[0]) is None
    assert name_of(keys, "") is None
    assert name_of(keys, "\udcff") is None


def test_a_name_is_given_once(file: Path) -> None:
    add_key(file, "alice", requests_per_minute=None, admin=False)
    before = file.read_bytes()
    with pytest.raises(InvalidRequest, match="already has a key alice"):
        add_key(file, "alice", requests_per_minute=None, admin=True)
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65])
def test_a_name_is_plain(file: Path, name: str) -> None:
    with pytest.raises(InvalidRequest):
        add_key(file, name, requests_per_minute=None, admin=False)
    assert not file.exists()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("alice: {sha256: short}", "alice.sha256"),
        ("alice: {sha256: " + "0" * 64 + ", colour: red}", "alice.colour"),
        ("alice: {sha256: " + "0" * 64 + ", requests_per_minute: 0}", "alice.requests_per_minute"),
        ("- alice", "no file of keys"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_that_is_none_says_where(file: Path, text: str, named: str) -> None:
    file.write_text(text)
    with pytest.raises(InvalidRequest, match=named):
        load_keys(file)


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        load_keys(file)


def test_the_command_prints_the_key_and_nothing_else(file: Path) -> None:
    app = Typer()
    app.command()(key_command)
    result = CliRunner().invoke(app, ["ops", "--keys", str(file), *LIMITS, "--admin"])
    assert result.exit_code == 0
    assert name_of(load_keys(file), result.output.strip()) == "ops"
    assert yaml.safe_load(file.read_text())["ops"].keys() == {
        "sha256",
        "requests_per_minute",
        "tokens_per_minute",
        "admin",
    }
