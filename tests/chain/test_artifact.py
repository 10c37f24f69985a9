from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tear_chain.artifact import Card, FileEntry, check_files, describe, fingerprint, read_card, write_card
from tear_chain.errors import AdapterError, ArtifactError


class Note(Card):
    title: str
    pages: int


def entry(path: Path) -> dict[str, FileEntry]:
    return {path.name: describe(path)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"0123456789")
    return path


def test_a_file_is_described_by_its_size_and_sha256(file: Path) -> None:
    assert describe(file) == FileEntry(bytes=10, sha256=hashlib.sha256(b"0123456789").hexdigest())


def test_files_as_they_were_described_pass(file: Path) -> None:
    check_files(file.parent, entry(file), ArtifactError, whole=True)


def test_a_file_that_may_not_be_read_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = entry(file)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root, who runs the tests in CI, may read all
    with pytest.raises(ArtifactError, match=r"weights\.bin cannot be read: Permission denied"):
        check_files(file.parent, files, ArtifactError, whole=True)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sizes"])
@pytest.mark.parametrize("damage", ["missing", "cut", "folder"])
def test_a_missing_or_cut_file_is_named(file: Path, damage: str, whole: bool) -> None:
    files = entry(file)
    file.unlink()
    if damage == "cut":
        file.write_bytes(b"01234")
    elif damage == "folder":
        file.mkdir()
    with pytest.raises(AdapterError) as refused:
        check_files(file.parent, files, AdapterError, whole=whole)
    assert str(file) in refused.value.message


def test_changed_contents_of_the_same_size_are_found_by_a_whole_check(file: Path) -> None:
    files = entry(file)
    file.write_bytes(b"0123456780")
    check_files(file.parent, files, ArtifactError, whole=False)
    with pytest.raises(ArtifactError) as refused:
        check_files(file.parent, files, ArtifactError, whole=True)
    assert str(file) in refused.value.message


def test_a_fingerprint_depends_on_names_and_contents_and_not_on_their_order() -> None:
    one, two = FileEntry(bytes=1, sha256="aa"), FileEntry(bytes=1, sha256="bb")
    same = fingerprint({"a": one, "b": two})
    assert fingerprint({"b": two, "a": one}) == same
    assert len({same, fingerprint({"a": two, "b": one}), fingerprint({"a": one}), fingerprint({"c": one})}) == 4


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card = Note(title="漢字 👍", pages=3)
    write_card(tmp_path / "note.json", card)
    assert read_card(tmp_path / "note.json", Note, ArtifactError) == card
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]


def test_a_card_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_card(path, Note(title="old", pages=1))
    (tmp_path / "note.json.partial").mkdir()
    with pytest.raises(IsADirectoryError):
        write_card(path, Note(title="new", pages=2))
    assert read_card(path, Note, ArtifactError).title == "old"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "file"),
        ('{"title": "a"', "file"),
        ("[]", "file"),
        ('{"title": "a"}', "pages"),
        ('{"title": "a", "pages": "3"}', "pages"),
        ('{"title": "a", "pages": 3, "colour": 1}', "colour"),
        ('{"pages": 3.5, "colour": 1}', "title"),
        ('{"pages": 3.5, "colour": 1}', "pages"),
        ('{"pages": 3.5, "colour": 1}', "colour"),
    ],
    ids=["empty", "cut", "list", "missing", "text-for-number", "unknown", "all-1", "all-2", "all-3"],
)
def test_whatever_is_wrong_in_a_card_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "note.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AdapterError) as refused:
        read_card(path, Note, AdapterError)
    assert str(path) in refused.value.message
    assert f"{named}: " in refused.value.message


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_card_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "note.json"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(AdapterError) as refused:
        read_card(path, Note, AdapterError)
    assert str(path) in refused.value.message
