import json
from pathlib import Path
from typing import Any

import pytest

from tear_training.importers import import_file
from tear_training.importers.esconv import MAX_UTTERANCES
from tear_training.rows import Message, Outcome, RowsError, load_rows
from tear_training.sources import is_non_commercial

FIXTURES = Path(__file__).parent / "fixtures"
FILE = FIXTURES / "esconv.json"
FAILED = FIXTURES / "failed_esconv.json"


def talk(*said: tuple[str, str, object], **changes: object) -> dict[str, Any]:
    """A conversation of (speaker, content, feedback); feedback None leaves the annotation empty."""
    dialog = [
        {"speaker": speaker, "content": content, "annotation": {} if stars is None else {"feedback": stars}}
        for speaker, content, stars in said
    ]
    return {"dialog": dialog, "survey_score": {"seeker": {}, "supporter": {}}} | changes


def write(path: Path, *talks: object) -> Path:
    path.write_text(json.dumps(talks))
    return path


def test_a_rated_and_answered_turn_is_a_row_with_the_real_reaction(tmp_path: Path) -> None:
    import_file("esconv", FILE, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert first.messages == (Message(role="user", content="Evening.\nI moved here in spring and know nobody."),)
    assert first.response == "What do you miss most?\nTake your time."
    assert first.consequence.impact == "Sunday lunch, I think.\nAll of us around one pot."
    assert second.response == "You should just go out more."
    assert second.consequence.impact == "If it were that easy."
    assert [said.role for said in second.conversation] == ["user", "assistant", "user", "assistant", "user"]
    assert second.conversation[-2].content == "There are cooking classes."


def test_stars_become_weight_and_outcome(tmp_path: Path) -> None:
    import_file("esconv", FILE, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert (first.consequence.weight, second.consequence.weight) == (2, -1)
    assert first.outcome == Outcome(feedback=5, intensity_before=4, intensity_after=2)
    assert second.wounding
    assert second.revised is None


@pytest.mark.parametrize(("stars", "weight"), [("1", -2), ("2", -1), ("3", 0), ("4", 1), (5, 2)])
def test_weight_is_stars_less_three(stars: object, weight: int, tmp_path: Path) -> None:
    file = write(tmp_path / "in", talk(("seeker", "Hi", None), ("supporter", "Yes?", None), ("seeker", "Oh", stars)))
    import_file("esconv", file, tmp_path / "out")
    (row,) = load_rows(tmp_path / "out")
    assert row.consequence.weight == weight


def test_what_makes_no_row_is_counted(tmp_path: Path) -> None:
    report = import_file("esconv", FILE, tmp_path / "out")
    assert report.skipped == {
        "supporter's utterances before the seeker spoke": 1,
        "supporter's turns without a rating of their own": 1,
        "supporter's turns that the seeker did not answer": 1,
    }


def test_a_turn_with_several_ratings_makes_no_row(tmp_path: Path) -> None:
    said = [("seeker", "a", None), ("supporter", "b", None), ("seeker", "c", "1"), ("seeker", "d", "5")]
    more = [("supporter", "e", None), ("seeker", "f", "4")]
    report = import_file("esconv", write(tmp_path / "in", talk(*said, *more)), tmp_path / "out")
    assert report.rows == 1
    assert report.skipped == {"supporter's turns with several ratings": 1}


def test_failed_conversations_call_the_two_speaker_and_listener(tmp_path: Path) -> None:
    report = import_file("failed-esconv", FAILED, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert first.input is None
    assert first.conversation[0].content == "My exam is tomorrow and I can’t sleep."
    assert (first.response, first.consequence.weight) == ("ok", -2)
    assert (second.response, second.consequence.weight) == ("What is the exam about?", 0)
    assert first.outcome == Outcome(feedback=1, intensity_before=3, intensity_after=None)
    assert (report.repaired, report.skipped) == (1, {"utterances without text": 1})
    assert {row.source for row in (first, second)} == {"FailedESConv"}


@pytest.mark.parametrize(("format_name", "file"), [("esconv", FILE), ("failed-esconv", FAILED)])
def test_support_conversations_are_recognised_as_non_commercial(format_name: str, file: Path, tmp_path: Path) -> None:
    import_file(format_name, file, tmp_path / "out")
    for row in load_rows(tmp_path / "out"):
        assert row.license == "CC-BY-NC-4.0"
        assert is_non_commercial(row.license)


def test_rows_of_one_conversation_are_one_family_and_several_situations(tmp_path: Path) -> None:
    import_file("esconv", FILE, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert first.family == second.family
    assert first.situation_id != second.situation_id


def test_conversations_that_begin_alike_have_rows_of_their_own(tmp_path: Path) -> None:
    begin = [("seeker", "Hi", None), ("supporter", "Hello", None)]
    file = write(tmp_path / "in", talk(*begin, ("seeker", "Oh", "2")), talk(*begin, ("seeker", "Ah", "4")))
    import_file("esconv", file, tmp_path / "out")
    one, other = load_rows(tmp_path / "out")
    assert one.family != other.family


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (talk(("seeker", "a", None), ("bystander", "b", None)), "dialog.1.speaker"),
        (talk(("seeker", "a", "6")), "dialog.0.annotation.feedback"),
        (talk(("seeker", "a", "many")), "dialog.0.annotation.feedback"),
        (talk(("seeker", "a", True)), "dialog.0.annotation.feedback"),
        (talk(("seeker", 4, None)), "dialog.0.content"),  # type: ignore[arg-type]
        (talk(("seeker", "a", None), dialog=[]), "dialog"),
        (talk(("seeker", "a", None), dialog={}), "dialog"),
        (talk(*[("seeker", "a", None)] * (MAX_UTTERANCES + 1)), "dialog"),
        (talk(("seeker", "a", None), survey_score=[]), "survey_score"),
        (
            talk(("seeker", "a", None), survey_score={"seeker": {"initial_emotion_intensity": "-1"}}),
            "survey_score.seeker.initial_emotion_intensity",
        ),
        ({"survey_score": {}}, "dialog"),
        ([], "row"),
    ],
    ids=[
        "a third person",
        "six stars",
        "no number",
        "truth is no number",
        "content is no text",
        "empty dialog",
        "dialog is no list",
        "endless dialog",
        "survey is no object",
        "below zero",
        "no dialog",
        "no object",
    ],
)
def test_a_conversation_of_another_shape_is_told(broken: object, field: str, tmp_path: Path) -> None:
    file = write(tmp_path / "in", talk(("seeker", "fine", None)), broken)
    with pytest.raises(RowsError) as caught:
        import_file("esconv", file, tmp_path / "out")
    assert [fault.split(" ")[:2] for fault in caught.value.faults] == [[f"{file}[1]", field]]
