from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from folders import write_adapter
from stories import BASE

from tear_chain.errors import AdapterError, AdapterMismatch, InvalidRequest, UnservedOrder
from tear_chain.manifest import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE
from tear_server.adapters import open_adapter
from tear_server.inbox import Inbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's folder of adapters with one in it, and another beside that folder."""
    write_adapter(tmp_path / "adapters" / "second")
    write_adapter(tmp_path / "outside")
    (tmp_path / "copies").mkdir()
    return tmp_path / "adapters"


@pytest.fixture
def inbox(folder: Path, tmp_path: Path) -> Inbox:
    return Inbox(folder, tmp_path / "copies")


@pytest.fixture
def copies(inbox: Inbox, tmp_path: Path) -> Path:
    return tmp_path / "copies"


def test_what_is_taken_is_a_copy_named_by_its_contents(folder: Path, inbox: Inbox, copies: Path) -> None:
    adapter = inbox.take("second", BASE)
    assert adapter.folder == copies / adapter.name
    assert adapter.name == open_adapter(folder / "second", BASE).name
    assert sorted(path.name for path in adapter.folder.iterdir()) == sorted([CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE])


def test_changing_the_folder_later_changes_nothing_that_was_taken(folder: Path, inbox: Inbox) -> None:
    adapter = inbox.take("second", BASE)
    shutil.rmtree(folder / "second")
    assert open_adapter(adapter.folder, BASE) == adapter


def test_a_folder_within_a_folder_is_taken(folder: Path, inbox: Inbox) -> None:
    write_adapter(folder / "runs" / "monday", "others")
    assert inbox.take("runs/monday", BASE).manifest.version


def test_the_same_adapter_is_copied_once(inbox: Inbox, copies: Path) -> None:
    assert inbox.take("second", BASE) == inbox.take("second/", BASE)
    assert len(list(copies.iterdir())) == 1


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../outside", "second/..", "second/../../outside", "second/../second", "\0", "x" * 5000, "loop"],
)
def test_a_path_that_leads_out_is_refused(folder: Path, inbox: Inbox, path: str) -> None:
    (folder / "loop").symlink_to(folder / "loop")
    with pytest.raises(InvalidRequest) as refused:
        inbox.take(path, BASE)
    assert refused.value.param == "path"


def test_an_absolute_path_is_refused_even_to_a_folder_inside(folder: Path, inbox: Inbox) -> None:
    with pytest.raises(InvalidRequest, match="inside the server's folder"):
        inbox.take(str(folder / "second"), BASE)


def test_a_link_to_a_folder_outside_is_refused(folder: Path, inbox: Inbox) -> None:
    (folder / "linked").symlink_to(folder.parent / "outside")
    with pytest.raises(InvalidRequest, match="inside the server's folder"):
        inbox.take("linked", BASE)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, MANIFEST_FILE])
def test_a_link_to_a_file_outside_is_refused_by_name(folder: Path, inbox: Inbox, name: str) -> None:
    (folder / "second" / name).unlink()
    (folder / "second" / name).symlink_to(folder.parent / "outside" / name)
    with pytest.raises(AdapterError, match=f"{name} is a link"):
        inbox.take("second", BASE)


def test_a_link_within_the_folder_is_followed(folder: Path, inbox: Inbox) -> None:
    (folder / "latest").symlink_to("second")
    assert inbox.take("latest", BASE) == inbox.take("second", BASE)


def test_a_folder_of_adapters_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "copies").mkdir(exist_ok=True)
    assert Inbox(tmp_path / "link", tmp_path / "copies").take("second", BASE).manifest.version


@pytest.mark.parametrize("name", ["adapter_model.bin", "weights.pt", "state.PTH", "x.pickle", "x.pkl", "last.ckpt"])
def test_files_that_run_code_when_they_are_read_are_refused_by_name(folder: Path, inbox: Inbox, name: str) -> None:
    (folder / "second" / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(AdapterError, match=name):
        inbox.take("second", BASE)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"base_fingerprint": "ffff"}, AdapterMismatch),
        ({"format_version": 99}, AdapterMismatch),
        ({"order": "witness_after"}, UnservedOrder),
        ({"token_names": ("<draft>",)}, AdapterMismatch),
    ],
    ids=["base", "format", "order", "tokens"],
)
def test_an_adapter_that_does_not_fit_is_refused_and_not_copied(
    folder: Path, inbox: Inbox, copies: Path, changes: dict[str, Any], error: type[AdapterError]
) -> None:
    write_adapter(folder / "second", **changes)
    with pytest.raises(error):
        inbox.take("second", BASE)
    assert list(copies.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(inbox: Inbox) -> None:
    with pytest.raises(AdapterError, match="no folder 'third'"):
        inbox.take("third", BASE)


def test_a_damaged_adapter_is_named_and_not_copied(folder: Path, inbox: Inbox, copies: Path) -> None:
    (folder / "second" / WEIGHTS_FILE).write_text("weighty")
    with pytest.raises(AdapterError, match=str(folder / "second" / WEIGHTS_FILE)):
        inbox.take("second", BASE)
    assert list(copies.iterdir()) == []


def test_an_adapter_that_changes_while_it_is_read_is_refused(
    inbox: Inbox, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: target.write_bytes(source.read_bytes() + b" "))
    with pytest.raises(AdapterError, match="changed while it was read"):
        inbox.take("second", BASE)
    assert list(copies.iterdir()) == []


def test_a_discarded_copy_is_deleted_and_the_adapter_itself_is_not(folder: Path, inbox: Inbox, copies: Path) -> None:
    inbox.discard(inbox.take("second", BASE))
    inbox.discard(open_adapter(folder / "second", BASE))
    assert list(copies.iterdir()) == []
    assert (folder / "second").is_dir()
