from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_training.config import Source
from tear_training.rows import load_rows
from tear_training.sources import read_sources
from tear_training.splits import DataSplit, split_of

CURATED = Path("training/data")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_of_a_file_only_its_part_is_taken_unless_all_is_said(split: DataSplit) -> None:
    rows, [record] = read_sources([Source(file=CURATED / "curated.jsonl")], folder=Path(), split=split)
    assert {split_of(row.situation_id) for row in rows} == {split}
    assert (record.name, record.rows) == (f"curated.jsonl {split}", len(rows))
    everything = Source(file=CURATED / "curated.jsonl", split="all")
    assert len(read_sources([everything], folder=Path(), split=split)[0]) == len(load_rows(CURATED / "curated.jsonl"))


def test_a_folder_is_a_source_too() -> None:
    rows, _ = read_sources([Source(file=CURATED)], folder=Path(), split="train")
    assert {split_of(row.situation_id) for row in rows} == {"train"}


def test_a_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"input": "a", "response": "b", "consequence": "c"}')
    [row] = load_rows(file)
    missing: DataSplit = "test" if split_of(row.situation_id) != "test" else "train"
    with pytest.raises(DataError, match=f"no situation of the split {missing}"):
        read_sources([Source(file=file, split=missing)], folder=Path(), split="train")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_sources([Source(file=Path("none.jsonl"))], folder=tmp_path, split="train")


def test_the_world_keeps_its_own_splits() -> None:
    with pytest.raises(ValueError, match="split belongs to a file"):
        Source.model_validate({"world": {"seed": 1, "split": "train", "rows": 5}, "split": "train"})
    source = Source.model_validate({"world": {"seed": 1, "split": "test", "rows": 5}})
    rows, [record] = read_sources([source], folder=Path(), split="train")
    assert (len(rows), record.name) == (5, "balanced world seed 1 test")
