from pathlib import Path

import pytest

from tear_training.examples import is_gentle
from tear_training.importers import import_file
from tear_training.importers.atomic_2020 import named
from tear_training.rows import RowsError, load_rows

FILE = Path(__file__).parent / "fixtures" / "atomic_2020.tsv"


def test_an_event_is_one_row_wherever_its_lines_stand(tmp_path: Path) -> None:
    import_file("atomic-2020", FILE, tmp_path / "out")
    laughed, watered = load_rows(tmp_path / "out")
    assert laughed.response == "Alex laughs at Sam's question."
    assert laughed.consequence.who == "Sam or others"
    assert laughed.consequence.impact == "Sam or others may feel: small; wary of Alex."
    assert laughed.consequence.ripples == (
        "What may happen to Sam or others: stops asking. What Alex may want then: to say sorry to Sam."
    )
    assert watered.response == "Alex waters the tree."
    assert watered.consequence.who == "Alex"
    assert watered.consequence.impact == "Alex may feel: calm."
    assert watered.consequence.ripples is None


def test_what_makes_no_row_is_counted(tmp_path: Path) -> None:
    report = import_file("atomic-2020", FILE, tmp_path / "out")
    assert report.rows == 2
    assert report.skipped == {
        "lines whose tail is none": 2,
        "lines of a relation that tells no consequence": 2,
        "events with a blank to be filled in": 1,
        "events of which nobody told a feeling": 1,
    }


def test_guesses_are_unweighed_and_their_events_not_learned(tmp_path: Path) -> None:
    report = import_file("atomic-2020", FILE, tmp_path / "out")
    rows = load_rows(tmp_path / "out")
    assert report.effects == {"unweighed": 2}
    assert not any(is_gentle(row) for row in rows)
    assert {(row.license, row.source) for row in rows} == {("CC-BY", "ATOMIC 2020")}


@pytest.mark.parametrize(
    ("wording", "told"),
    [
        ("PersonX tells PersonY about PersonZ", "Alex tells Sam about Robin"),
        ("happy to see x", "happy to see Alex"),
        ("Person Y's aunt", "Sam's aunt"),
        ("PersonX loses PersonX 's  temper", "Alex loses Alex's temper"),
        ("takes an x-ray of a box", "takes an x-ray of a box"),
        ("personal matters", "personal matters"),
    ],
    ids=["names", "a letter", "a space", "apart", "no person", "a longer word"],
)
def test_persons_have_names(wording: str, told: str) -> None:
    assert named(wording) == told


def test_a_tail_is_never_read_as_a_frame(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("PersonX {tails} sits\txReact\t{others} {0} calm\n")
    import_file("atomic-2020", tmp_path / "in", tmp_path / "out")
    (row,) = load_rows(tmp_path / "out")
    assert row.consequence.impact == "Alex may feel: {others} {0} calm."
    assert row.response == "Alex {tails} sits."


def test_broken_encoding_is_put_right_and_counted_by_line(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(
        "PersonX drinks cafÃ©\txReact\tawake\nPersonX drinks café\txReact\tcalm\n", encoding="utf-8"
    )
    report = import_file("atomic-2020", tmp_path / "in", tmp_path / "out")
    (row,) = load_rows(tmp_path / "out")
    assert report.repaired == 1
    assert row.consequence.impact == "Alex may feel: awake; calm."


def test_lines_of_another_shape_are_told(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_bytes(
        b"PersonX sits\txReact\n"
        b"PersonX sits\txreact\tcalm\n"
        b"\txReact\tcalm\n"
        b"PersonX sits\txReact\t\xff\n"
        b"PersonX sits\txReact\tcalm\tvery\n"
    )
    with pytest.raises(RowsError) as caught:
        import_file("atomic-2020", file, tmp_path / "out")
    assert [fault.split(" ")[:2] for fault in caught.value.faults] == [
        [f"{file}:1", "row"],
        [f"{file}:2", "relation"],
        [f"{file}:3", "head"],
        [f"{file}:4", "row"],
        [f"{file}:5", "row"],
    ]
