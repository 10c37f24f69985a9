import json
import re
from pathlib import Path

import pytest

from tear_training.importers import import_file
from tear_training.rows import UNSTATED, Row, load_rows

PIANO = "I've been trying to learn piano for a month but I'm still terrible."
SKETCH = [
    {
        "input": PIANO,
        "response": "Maybe piano just isn't for you. Some people don't have musical talent.",
        "consequence": (
            "She closed the piano lid that evening and didn't open it again for three years. When she finally did, she "
            "played alone, always alone, afraid to let anyone hear her stumble. The joy she once felt at discovering a "
            "new melody had been replaced by a quiet shame."
        ),
    },
    {
        "input": PIANO,
        "response": (
            "A month is such early days — your fingers are still learning where to land. What made you want to start?"
        ),
        "consequence": (
            "She talked for twenty minutes about her grandmother's piano, the one she inherited, the songs she "
            "remembered floating up the stairs as a child. She practiced again that night. And the night after. Not to "
            "be good, but to hear those songs again."
        ),
    },
]


@pytest.mark.parametrize("as_lines", [False, True], ids=["array", "lines"])
def test_the_examples_of_the_sketch_import_as_they_are(as_lines: bool, tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_text("\n".join(map(json.dumps, SKETCH)) if as_lines else json.dumps(SKETCH, indent=1))
    report = import_file("triples", file, out)
    rows = load_rows(out)
    assert rows == [Row.model_validate(triple) for triple in SKETCH]
    assert [(row.input, row.response, row.consequence.impact) for row in rows] == [tuple(t.values()) for t in SKETCH]
    assert (report.rows, report.repaired, report.skipped, report.effects) == (2, 0, {}, {"unweighed": 2})


def test_both_answers_to_one_input_are_of_one_situation(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_text(json.dumps(SKETCH))
    import_file("triples", file, out)
    one, other = load_rows(out)
    assert one.situation_id == other.situation_id
    assert one.id != other.id


def test_what_a_triple_does_not_say_is_unstated(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    file.write_text(json.dumps(SKETCH[:1]))
    import_file("triples", file, out)
    (row,) = load_rows(out)
    assert {row.license, row.source, row.language, row.culture, row.provenance.kind} == {UNSTATED}
    assert row.consequence.weight is None


def test_repaired_text_is_counted_and_ordinary_text_is_not(tmp_path: Path) -> None:
    file, out = tmp_path / "in", tmp_path / "out"
    broken = SKETCH[1] | {"response": SKETCH[1]["response"].encode().decode("cp1252")}
    quotes = SKETCH[0] | {"response": "Naïve, “quoted” – and 練習 stay…"}
    file.write_text(json.dumps([broken, quotes]))
    report = import_file("triples", file, out)
    assert re.search("â€", broken["response"])
    assert [row.response for row in load_rows(out)] == [SKETCH[1]["response"], quotes["response"]]
    assert report.repaired == 1
