"""Laws of taking an adapter elsewhere: to a folder, or to a model hub on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from fake_hub import FakeHub, Repo
from typer.testing import CliRunner

from tear_chain.errors import AdapterError, HubError
from tear_chain.manifest import MANIFEST_FILE, load_manifest
from tear_server.adapter_command import adapter_app
from tear_server.hub import push_adapter
from tear_server.publication import read_publication

# huggingface_hub sends a large file in a way that its HTTP library calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
NAME = "someone/first"
FILES = {"adapter_model.safetensors", "adapter_config.json", "README.md", "training.yaml", MANIFEST_FILE}
runner = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"})


@pytest.fixture
def adapter(tmp_path: Path, nano_adapter: Path) -> Path:
    """Nano's adapter with a card, and with what training leaves lying about."""
    folder = Path(shutil.copytree(nano_adapter, tmp_path / "adapter"))
    (folder / "README.md").write_text(f"---\nlicense: apache-2.0\n---\n# {load_manifest(folder).version}\n")
    (folder / "steps.jsonl").write_text("{}\n")
    (folder / "checkpoint-1").mkdir()
    (folder / "checkpoint-1" / "optimizer.pt").write_bytes(b"\x80")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


# To a folder


def test_what_is_exported_is_the_adapter_and_nothing_else_of_its_folder(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    result = runner.invoke(adapter_app, ["export", str(adapter), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert load_manifest(out).version in result.output
    assert {path.name for path in out.iterdir()} == FILES
    assert contents(out) == contents(adapter)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_that_holds_something_is_left_alone(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes").write_text("mine")
    result = runner.invoke(adapter_app, ["export", str(adapter), "--out", str(out)])
    assert isinstance(result.exception, AdapterError)
    assert [path.name for path in out.iterdir()] == ["notes"]


# To a hub


def test_what_is_pushed_is_there_whole_in_one_commit_and_private(hub: FakeHub, adapter: Path) -> None:
    result = runner.invoke(adapter_app, ["push", str(adapter), NAME])
    assert result.exit_code == 0, result.output
    repo = hub.repos[NAME]
    assert (repo.private, len(repo.commits), repo.files) == (True, 1, contents(adapter))
    assert f"{hub.url}/{NAME}/commit/{repo.head} (private)" in result.output


def test_public_is_what_was_said_to_be_public(hub: FakeHub, adapter: Path) -> None:
    result = runner.invoke(adapter_app, ["push", str(adapter), NAME, "--public"])
    assert result.exit_code == 0, result.output
    assert not hub.repos[NAME].private
    assert "(public)" in result.output


def test_a_second_version_is_a_second_commit(hub: FakeHub, adapter: Path) -> None:
    push_adapter(read_publication(adapter), NAME)
    (adapter / "README.md").write_text((adapter / "README.md").read_text() + "More.\n")
    assert push_adapter(read_publication(adapter), NAME).is_private
    assert len(hub.repos[NAME].commits) == 2
    assert hub.repos[NAME].files == contents(adapter)


def test_a_repository_that_is_public_already_gets_nothing_unasked(hub: FakeHub, adapter: Path) -> None:
    hub.repos[NAME] = Repo(private=False)
    with pytest.raises(HubError, match="--public"):
        push_adapter(read_publication(adapter), NAME)
    assert hub.repos[NAME].files == {}
    push_adapter(read_publication(adapter), NAME, public=True)
    assert hub.repos[NAME].files == contents(adapter)


def test_a_hub_that_does_not_know_the_token_is_said_with_what_to_do(
    hub: FakeHub, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(HubError, match=f"not pushed to {NAME}.*401") as caught:
        push_adapter(read_publication(adapter), NAME)
    assert "hf auth login" in caught.value.sentence()
    assert hub.repos == {}


def test_a_hub_that_does_not_answer_is_an_error_with_a_name(
    hub: FakeHub, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(HubError, match="not pushed"):
        push_adapter(read_publication(adapter), NAME)


@pytest.mark.usefixtures("hub")
def test_a_name_that_is_none_is_told(adapter: Path) -> None:
    with pytest.raises(HubError, match="a/b/c"):
        push_adapter(read_publication(adapter), "a/b/c")


# What may not leave


@pytest.mark.parametrize("missing", ["README.md", MANIFEST_FILE, "adapter_model.safetensors"])
def test_nothing_leaves_without_card_manifest_and_weights(missing: str, hub: FakeHub, adapter: Path) -> None:
    (adapter / missing).unlink()
    result = runner.invoke(adapter_app, ["push", str(adapter), NAME])
    assert isinstance(result.exception, AdapterError)
    assert missing in result.exception.message
    assert hub.asked == []


def test_a_card_of_another_version_is_refused(adapter: Path) -> None:
    (adapter / "README.md").write_text("# Some other adapter\n")
    with pytest.raises(AdapterError, match="another adapter"):
        read_publication(adapter)


def test_the_cards_head_is_yaml_that_the_hub_was_asked_about(hub: FakeHub, adapter: Path) -> None:
    push_adapter(read_publication(adapter), NAME)
    assert "POST /api/validate-yaml" in hub.asked
    assert yaml.safe_load(hub.repos[NAME].files["README.md"].split(b"---\n")[1]) == {"license": "apache-2.0"}
