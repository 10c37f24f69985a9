"""Laws of fetching a checkpoint, against a hub on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_hub import FakeHub, Repo
from typer.testing import CliRunner

from tear_chain.errors import BaseError, HubError
from tear_chain.prepared import load_prepared
from tear_training.command import base_app
from tear_training.fetch import fetch_checkpoint
from tear_training.prepare import prepare_base

NAME = "someone/a-base"


@pytest.fixture
def checkpoint(hub: FakeHub, text_checkpoint: Path) -> Repo:
    """The text checkpoint as a repository, beside weights in another format."""
    repo = hub.repos[NAME] = Repo()
    repo.commit({path.name: path.read_bytes() for path in text_checkpoint.iterdir()} | {"README.md": b"first"})
    repo.commit({"README.md": b"---\nlicense: apache-2.0\n---\n", "consolidated.safetensors": b"the same once more"})
    return repo


def test_a_base_is_prepared_from_a_hub_id_and_says_which_commit_it_was(
    checkpoint: Repo, text_checkpoint: Path, tmp_path: Path
) -> None:
    card = prepare_base(NAME, tmp_path / "base", name="b")
    assert (card.source, card.revision, card.license) == (NAME, checkpoint.head, "apache-2.0")
    assert load_prepared(tmp_path / "base") == card
    local = prepare_base(text_checkpoint, tmp_path / "local", name="b")
    assert (local.source, local.revision, local.fingerprint) == (text_checkpoint.name, None, card.fingerprint)


def test_weights_in_another_format_are_left_where_they_are(hub: FakeHub, checkpoint: Repo) -> None:
    fetch_checkpoint(NAME)
    assert [asked for asked in hub.asked if "consolidated" in asked] == []


def test_a_revision_is_pinned(checkpoint: Repo) -> None:
    first = next(iter(checkpoint.commits))
    found = fetch_checkpoint(NAME, revision=first)
    assert (found.revision, (found.folder / "README.md").read_bytes()) == (first, b"first")


def test_what_was_fetched_once_is_found_without_the_hub(
    hub: FakeHub, checkpoint: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = fetch_checkpoint(NAME)
    asked = len(hub.asked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch_checkpoint(NAME) == fetched
    assert len(hub.asked) == asked


def test_a_hub_that_cannot_be_reached_is_said_with_what_to_do(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=r"hf download someone/a-base --local-dir DIR.*name that folder"):
        fetch_checkpoint(NAME)


@pytest.mark.usefixtures("checkpoint")
@pytest.mark.parametrize(("name", "revision"), [("someone/nothing", None), (NAME, "no-such-branch")])
def test_what_the_hub_does_not_have_is_named(name: str, revision: str | None) -> None:
    with pytest.raises(HubError, match=name):
        fetch_checkpoint(name, revision=revision)


def test_a_local_folder_has_no_revision(text_checkpoint: Path) -> None:
    with pytest.raises(BaseError, match="leave it out"):
        fetch_checkpoint(text_checkpoint, revision="main")


@pytest.mark.parametrize("src", ["just-a-word", "a/b/c", "../a/b", "/no/such/folder"])
def test_what_is_neither_folder_nor_hub_id_is_named_without_asking_the_hub(src: str, hub: FakeHub) -> None:
    with pytest.raises(BaseError, match="neither"):
        fetch_checkpoint(src)
    assert hub.asked == []


def test_the_command_takes_a_hub_id(checkpoint: Repo, tmp_path: Path) -> None:
    first = next(iter(checkpoint.commits))
    out = tmp_path / "base"
    result = CliRunner().invoke(base_app, ["prepare", NAME, str(out), "--revision", first, "--license", "MIT"])
    assert result.exit_code == 0, result.output
    card = load_prepared(out)
    assert (card.name, card.revision, card.license) == ("a-base", first, "MIT")
