from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tear_training.audit.faults import files_by_split, situation_faults, straddling_faults
from tear_training.rows import Row, write_rows

MakeRow = Callable[..., Row]


def test_a_situation_told_in_two_ways_is_one_fault_that_names_the_rows(row_of: MakeRow) -> None:
    rows = [
        row_of("bread", id="a", input="My bread is flat."),
        row_of("bread", id="b", input="My bread is flat!"),
        row_of("bread", id="c", input="Flat bread."),
        row_of("piano", id="d"),
    ]
    (fault,) = situation_faults(rows)
    assert "'bread'" in fault
    assert "'a' and 'b'" in fault


def test_settings_of_a_family_may_be_told_differently(row_of: MakeRow) -> None:
    assert situation_faults([row_of("bread/kenya", input="Flat."), row_of("bread/japan", input="Sour.")]) == []


def test_an_input_and_a_conversation_of_one_turn_are_the_same(row_of: MakeRow) -> None:
    turns = [{"role": "user", "content": "Flat."}]
    assert situation_faults([row_of("bread", input="Flat."), row_of("bread", messages=turns)]) == []


def test_a_family_in_the_files_of_two_splits_is_a_fault(row_of: MakeRow, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.jsonl" for name in ("train", "test", "more")}
    write_rows(files["train"], [row_of("bread/kenya"), row_of("piano")])
    write_rows(files["test"], [row_of("bread/japan"), row_of("tango")])
    write_rows(files["more"], [row_of("piano"), row_of("tango")])
    (fault,) = straddling_faults(files_by_split(list(files.values())))
    assert "'bread'" in fault
    assert "train and test" in fault
