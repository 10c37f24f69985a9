import json
from pathlib import Path

import pytest

from tear_training.importers import import_file
from tear_training.rows import RowsError, load_rows

FILE = Path(__file__).parent / "fixtures" / "moral_stories.jsonl"


def test_a_story_is_told_as_a_message_and_acted_on_twice(tmp_path: Path) -> None:
    report = import_file("moral-stories", FILE, tmp_path / "out")
    immoral, moral, *_ = load_rows(tmp_path / "out")
    assert moral.input == immoral.input
    assert moral.input == ("Nadia sits alone on a long bench at the clinic. Nadia wants to rest until she is called.")
    assert (immoral.response, immoral.consequence.impact, immoral.consequence.weight) == (
        "Nadia spreads her coat over the whole bench.",
        "The man stands until his name is called.",
        -1,
    )
    assert immoral.revised == moral.response == "Nadia moves her bag so that an old man can sit."
    assert (report.rows, report.kinds) == (4, {"narrative": 4})


def test_stories_are_under_mit(tmp_path: Path) -> None:
    import_file("moral-stories", FILE, tmp_path / "out")
    assert {(row.license, row.source, row.language) for row in load_rows(tmp_path / "out")} == {
        ("MIT", "Moral Stories", "en")
    }


def test_the_norm_is_in_no_row(tmp_path: Path) -> None:
    import_file("moral-stories", FILE, tmp_path / "out")
    assert "It is kind to share" not in (tmp_path / "out").read_text()


def test_broken_encoding_is_put_right_and_counted_by_story(tmp_path: Path) -> None:
    story = json.loads(FILE.read_text().splitlines()[0])
    story |= {"situation": "Nadia sits in the cafÃ©.", "moral_action": "She says â€œpleaseâ€\u009d."}
    (tmp_path / "in").write_text(json.dumps(story))
    report = import_file("moral-stories", tmp_path / "in", tmp_path / "out")
    assert report.repaired == 1
    assert (load_rows(tmp_path / "out")[0].input or "").startswith("Nadia sits in the café. ")


def test_a_story_without_one_of_its_columns_is_told(tmp_path: Path) -> None:
    story = json.loads(FILE.read_text().splitlines()[0])
    file = tmp_path / "in"
    lines = [{**story, "ID": "a b"}, {**story, "intention": None}, {"ID": "c", **dict(list(story.items())[2:])}]
    del lines[2]["immoral_action"]
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsError) as caught:
        import_file("moral-stories", file, tmp_path / "out")
    assert [fault.split(" ")[:2] for fault in caught.value.faults] == [
        [f"{file}:1", "ID"],
        [f"{file}:2", "intention"],
        [f"{file}:3", "immoral_action"],
    ]
