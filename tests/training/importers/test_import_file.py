"""What holds for every format: whole or not at all, all faults told, bounds kept."""

import json
from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_training.importers import FORMATS, import_file
from tear_training.importers.atomic_2020 import MAX_FILE_BYTES
from tear_training.importers.reading import MAX_ARRAY_BYTES
from tear_training.importers.tally import MAX_FAULTS
from tear_training.rows import MAX_LINE_BYTES, RowsError, load_rows
from tear_training.sources import is_non_commercial

FIXTURES = Path(__file__).parent / "fixtures"
FIXTURE_OF = {
    "vignettes": "vignettes.json",
    "moral-stories": "moral_stories.jsonl",
    "esconv": "esconv.json",
    "failed-esconv": "failed_esconv.json",
    "prosocial-dialog": "prosocial_dialog.jsonl",
    "atomic-2020": "atomic_2020.tsv",
}
TEXT_FORMATS = [name for name in FORMATS if name != "journal"]
"""A journal is a database: it has no lines, and an empty file is none."""
TRIPLE = {"input": "I lost the key.", "response": "Again?", "consequence": "He looked at the floor."}


def faults_of(format_name: str, file: Path) -> tuple[str, ...]:
    """The faults of a file that cannot be imported; nothing may have been written."""
    out = file.parent / "out.jsonl"
    before = sorted(file.parent.iterdir())
    with pytest.raises(RowsError) as caught:
        import_file(format_name, file, out)
    assert sorted(file.parent.iterdir()) == before
    return caught.value.faults


@pytest.mark.parametrize("format_name", FIXTURE_OF)
def test_imported_rows_load_back_with_licence_source_and_provenance(format_name: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    report = import_file(format_name, FIXTURES / FIXTURE_OF[format_name], out)
    rows = load_rows(out)
    assert len(rows) == report.rows == sum(report.kinds.values()) == sum(report.effects.values()) > 0
    assert {row.license for row in rows} == {report.license} == {FORMATS[format_name].license}
    assert {row.provenance.generator for row in rows} == {row.source for row in rows}
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("format_name", FIXTURE_OF)
def test_an_import_is_the_same_every_time(format_name: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        import_file(format_name, FIXTURES / FIXTURE_OF[format_name], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_only_the_support_conversations_are_non_commercial(format_name: str) -> None:
    assert is_non_commercial(FORMATS[format_name].license) == (format_name in {"esconv", "failed-esconv"})


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"], ids=["empty", "blank", "mark only"])
def test_a_file_without_rows_is_a_fault(format_name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(content)
    assert faults_of(format_name, file) == (f"{file} rows came to none",)


def test_a_file_of_which_all_is_left_out_says_what_was(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text("PersonX sits\txReact\tnone\n")
    assert faults_of("atomic-2020", file) == (f"{file} rows came to none; left out 1 lines whose tail is none",)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00\x01\n",
        b"{not json\n",
        b"17\n",
        b"null\n",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[[[[[[]]]]]]",
        b'{"input": "\\ud800", "response": "x", "consequence": "y"}\n',
        b"[1, 2",
        b'[{"dialog": [[]], "survey_score": 3}]',
        b"a\tb\n",
        b"1" * 5000,
    ],
    ids=[
        "not UTF-8",
        "not JSON",
        "a number",
        "null",
        "deep arrays",
        "deep objects",
        "nested arrays",
        "half a character",
        "cut short",
        "wrong types",
        "two columns",
        "a huge number",
    ],
)
def test_a_hostile_file_is_told_with_its_place(format_name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(content)
    assert all(fault.startswith((f"{file}:1 ", f"{file}[0] ", f"{file} ")) for fault in faults_of(format_name, file))


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
def test_a_line_of_ten_megabytes_is_refused_and_the_next_one_is_still_read(format_name: str, tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b'{"input": "' + b"x" * 10_000_000 + b'"}\n{broken\n')
    long, broken = faults_of(format_name, file)
    assert long == f"{file}:1 row is longer than {MAX_LINE_BYTES} bytes"
    assert broken.startswith(f"{file}:2 row ")


def test_a_row_that_would_not_load_back_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text(json.dumps([TRIPLE | {"input": "x" * 600_000, "response": "y" * 600_000}]))
    (fault,) = faults_of("triples", file)
    assert fault.startswith(f"{file}[0] row would be 12")


def test_an_array_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"[")
    with file.open("r+b") as grown:
        grown.truncate(MAX_ARRAY_BYTES + 1)
    (fault,) = faults_of("triples", file)
    assert "make it JSONL" in fault


def test_a_table_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "in"
    with file.open("wb") as grown:
        grown.truncate(MAX_FILE_BYTES + 1)
    (fault,) = faults_of("atomic-2020", file)
    assert "split it" in fault


def test_all_faults_of_a_file_are_told_with_line_and_field(tmp_path: Path) -> None:
    file = tmp_path / "in"
    lines = [
        TRIPLE,
        {"input": "x", "response": 3},
        TRIPLE | {"mood": "sad"},
        TRIPLE | {"response": "\u2009 "},
        TRIPLE | {"consequence": "Something else."},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n{\n")
    where = [fault.split(" ")[:2] for fault in faults_of("triples", file)]
    assert where == [
        [f"{file}:2", "response"],
        [f"{file}:2", "consequence"],
        [f"{file}:3", "mood"],
        [f"{file}:4", "response"],
        [f"{file}:5", "id"],
        [f"{file}:6", "row"],
    ]


def test_a_file_of_faults_alone_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text("{\n" * (MAX_FAULTS + 500))
    faults = faults_of("triples", file)
    assert len(faults) == MAX_FAULTS + 1
    assert faults[-1] == f"{file} rows reading stopped after {MAX_FAULTS} faults"


def test_a_fault_holds_no_sign_that_a_terminal_obeys(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text(json.dumps([TRIPLE | {"\x1b[2Jgone" + "x" * 1000: 1}]))
    (fault,) = faults_of("triples", file)
    assert "\\x1b[2Jgone" in fault
    assert fault.isprintable()
    assert len(fault) < 400


def test_a_row_said_again_is_left_out_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text(json.dumps([TRIPLE, TRIPLE]))
    report = import_file("triples", file, tmp_path / "out")
    assert report.rows == 1
    assert report.skipped == {"rows that are there already, word for word": 1}


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_content(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(TRIPLE).encode() + b"\r\n\r\n")
    assert import_file("triples", file, tmp_path / "out").rows == 1
    file.write_bytes(b"\xef\xbb\xbfPersonX sits\txReact\tcalm\r\n")
    assert import_file("atomic-2020", file, tmp_path / "other").rows == 1


def test_what_is_no_file_cannot_be_imported(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path, Path("/dev/zero")):
        with pytest.raises(RowsError, match="is not there, or is no plain file"):
            import_file("triples", path, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_text(json.dumps([TRIPLE]))
    out.write_text("mine")
    with pytest.raises(DataError, match="--force"):
        import_file("triples", file, out)
    assert out.read_text() == "mine"
    import_file("triples", file, out, force=True)
    assert len(load_rows(out)) == 1


def test_force_keeps_the_old_file_when_the_new_one_is_at_fault(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_text(json.dumps(TRIPLE) + "\n{")
    out.write_text("mine")
    with pytest.raises(RowsError):
        import_file("triples", file, out, force=True)
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize(
    ("format_name", "out", "reason"),
    [
        ("tripels", "out", "expected one of triples"),
        ("triples", "in", "to be imported"),
        ("triples", ".", "is a folder"),
        ("triples", "absent/out", "no folder"),
        ("triples", "in/out", "no folder"),
    ],
    ids=["unknown format", "onto itself", "onto a folder", "into no folder", "into a file"],
)
def test_a_target_that_cannot_be_written_is_told_before_reading(
    format_name: str, out: str, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "in"
    file.write_text(json.dumps([TRIPLE]))
    with pytest.raises(DataError, match=reason):
        import_file(format_name, file, tmp_path / out, force=True)
    assert json.loads(file.read_text()) == [TRIPLE]
