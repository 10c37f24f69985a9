import json
from pathlib import Path

import pytest

from tear_training.examples import is_gentle
from tear_training.importers import import_file
from tear_training.rows import RowsError, load_rows

FILE = Path(__file__).parent / "fixtures" / "vignettes.json"


def test_a_vignette_is_a_harmful_and_a_gentle_row_of_one_situation(tmp_path: Path) -> None:
    report = import_file("vignettes", FILE, tmp_path / "out")
    harmful, gentle, *_ = load_rows(tmp_path / "out")
    assert harmful.situation_id == gentle.situation_id
    assert (harmful.consequence.weight, gentle.consequence.weight) == (-1, 1)
    assert harmful.revised == gentle.response == "The oven runs hot. Which shelf was it on?"
    assert gentle.revised is None
    assert report.effects == {"closes": 2, "opens": 2}


def test_a_harmful_side_is_never_learned(tmp_path: Path) -> None:
    import_file("vignettes", FILE, tmp_path / "out")
    harmful_texts = {vignette["response_harmful"] for vignette in json.loads(FILE.read_text(encoding="utf-8"))}
    rows = load_rows(tmp_path / "out")
    assert {row.response for row in rows if row.wounding} == harmful_texts
    learned = {row.response for row in rows if is_gentle(row)} | {row.revised for row in rows}
    assert not harmful_texts & learned


def test_broken_encoding_is_put_right_and_counted_by_vignette(tmp_path: Path) -> None:
    report = import_file("vignettes", FILE, tmp_path / "out")
    assert report.repaired == 1
    assert load_rows(tmp_path / "out")[0].consequence.impact == "He threw the loaf away — and the recipe with it."


def test_nobody_knows_who_wrote_vignettes(tmp_path: Path) -> None:
    import_file("vignettes", FILE, tmp_path / "out")
    assert {(row.license, row.provenance.kind, row.source) for row in load_rows(tmp_path / "out")} == {
        ("unstated", "unstated", "vignettes.json")
    }


def test_a_pair_of_equal_answers_is_left_out_since_the_harmful_one_would_be_learned(tmp_path: Path) -> None:
    vignettes = json.loads(FILE.read_text(encoding="utf-8"))
    vignettes[0]["response_gentle"] = "  you ALWAYS  do that. "
    (tmp_path / "in").write_text(json.dumps(vignettes))
    report = import_file("vignettes", tmp_path / "in", tmp_path / "out")
    assert report.rows == 2
    assert report.skipped == {"pairs whose two answers are the same text": 1}


def test_missing_unknown_and_mistyped_columns_are_told(tmp_path: Path) -> None:
    first, second = json.loads(FILE.read_text(encoding="utf-8"))
    del first["consequence_gentle"]
    broken = [first | {"mood": 1}, second | {"id": 1.5, "response_gentle": ["x"], "category": 4}, "vignette"]
    file = tmp_path / "in"
    file.write_text(json.dumps(broken))
    with pytest.raises(RowsError) as caught:
        import_file("vignettes", file, tmp_path / "out")
    told = {tuple(fault.split(" ")[:2]) for fault in caught.value.faults}
    assert told == {
        (f"{file}[0]", "consequence_gentle"),
        (f"{file}[0]", "mood"),
        (f"{file}[1]", "id.constrained-str"),
        (f"{file}[1]", "id.int"),
        (f"{file}[1]", "response_gentle"),
        (f"{file}[1]", "category"),
        (f"{file}[2]", "row"),
    }


def test_one_name_for_two_different_pairs_about_one_input_is_a_fault(tmp_path: Path) -> None:
    first, _ = json.loads(FILE.read_text(encoding="utf-8"))
    file = tmp_path / "in"
    file.write_text(json.dumps([first, first | {"response_gentle": "Another answer."}]))
    with pytest.raises(RowsError) as caught:
        import_file("vignettes", file, tmp_path / "out")
    assert f"already stands at {file}[0]" in str(caught.value)
