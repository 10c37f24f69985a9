from __future__ import annotations

import json

import pytest
from clients.conftest import Serve

from tear_client import Client
from tear_client.main import main


@pytest.fixture
def known(serve: Serve) -> str:
    """The id of a reflection that the journal holds."""
    with Client(serve(keeps=True)) as client:
        return client.reflect("Am I any good?").id


def test_what_came_of_an_answer_is_reported(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", known, "--weight", "2", "--text", "She plays every day now."]) == 0
    assert capsys.readouterr().out == f"Reported on {known}.\nweight: +2\n"


def test_a_weight_below_zero_can_be_given(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", known, "--weight", "-3", "--text", "She stopped.", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["weight"], told["text"]) == (known, -3, "She stopped.")


def test_a_report_without_a_weight_is_one(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", known, "--text", "She called."]) == 0
    assert capsys.readouterr().out == f"Reported on {known}.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["refl-0", "--text", "x"], 1, "holds no reflection"),
        (["refl-0"], 2, "--text"),
        (["refl-0", "--text", "x", "--weight", "4"], 2, "--weight"),
        (["", "--text", "x"], 2, "no name"),
        (["refl-0", "--text", " "], 1, "text"),
    ],
    ids=["unknown", "no text", "too heavy", "no id", "blank"],
)
def test_what_cannot_be_reported_is_one_sentence(
    known: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, part: str
) -> None:
    assert main(["report", *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err
