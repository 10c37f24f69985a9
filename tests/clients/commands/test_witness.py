from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from clients.conftest import Serve
from rich.console import Console
from scripted import ScriptedEngine
from stories import STORIES

from tear_chain.words import Scene, Status
from tear_client import Witness
from tear_client.main import main
from tear_client.scenes import scene_table

LINE = {"situation": "We buried my uncle.", "answer": "It was his time.", "id": "7"}


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join([json.dumps(LINE), "", json.dumps(LINE | {"answer": "Tell me of him."})]) + "\n")
    return file


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


def test_each_answer_of_a_list_gets_a_line(serve: Serve, answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve()
    assert main(["witness", str(answers)]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(number, weight, advice, impact) for number, weight, _, advice, impact in lines] == [
        ("1", "-2", "revise", "She closes the lid."),
        ("2", "-2", "revise", "She closes the lid."),
    ]


def test_json_has_the_answer_beside_its_scene(serve: Serve, answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve()
    assert main(["witness", str(answers), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["answer"], each["scene"]["weight"]) for each in told] == [
        ("It was his time.", -2),
        ("Tell me of him.", -2),
    ]


@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_one_answer_in_plain_text_is_told_as_a_scene(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], piped: bool
) -> None:
    serve()
    file = tmp_path / "answer.txt"
    file.write_text("It was his time.\n")
    type_in(monkeypatch, "It was his time.\n")
    assert main(["witness", "-" if piped else str(file), "--situation", "We buried my uncle."]) == 0
    labels = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert labels == ["who", "impact", "ripples", "weight", "decision"]


def test_a_list_may_come_through_a_pipe(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve()
    type_in(monkeypatch, json.dumps(LINE))
    assert main(["witness", "-"]) == 0
    assert capsys.readouterr().out.startswith("1\t-2\t")


def test_it_foresees_the_same_each_time_unless_told_otherwise(
    serve: Serve, answers: Path, engines: list[ScriptedEngine]
) -> None:
    serve()
    assert main(["witness", str(answers)]) == 0
    assert {each.sampling.temperature for each in engines[0].asked} == {0}


@pytest.mark.parametrize(("lowest", "code"), [("-3", 0), ("-2", 0), ("-1", 3), ("3", 3)])
def test_an_answer_that_weighs_less_than_was_asked_for_exits_with_3(
    serve: Serve, answers: Path, capsys: pytest.CaptureFixture[str], lowest: str, code: int
) -> None:
    serve()
    assert main(["witness", str(answers), "--fail-below", lowest]) == code
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err == (f"Of 2 answers 2 weigh less than {lowest}: 1, 2.\n" if code else "")


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--fail-below", "-3"], 3)], ids=["told", "asked for"])
def test_an_answer_without_a_weight_passes_no_threshold(
    serve: Serve, answers: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int
) -> None:
    serve(STORIES["no-scene"])
    assert main(["witness", str(answers), *flags]) == code
    out, err = capsys.readouterr()
    assert [line.split("\t")[1] for line in out.splitlines()] == ["-", "-"]
    assert ("Without a weight" in err) == bool(code)


def test_a_malformed_scene_says_what_is_missing(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(STORIES["gaps"])
    file = tmp_path / "answer.txt"
    file.write_text("It was his time.")
    assert main(["witness", str(file), "-s", "We buried my uncle."]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "status: malformed (missing_who, missing_ripples)"


def test_more_answers_than_one_request_takes_are_told_in_their_order(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve()
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(LINE | {"answer": f"Answer {number}."}) for number in range(1, 71)))
    assert main(["witness", str(file), "--json"]) == 0
    told = [json.loads(line)["answer"] for line in capsys.readouterr().out.splitlines()]
    assert told == [f"Answer {number}." for number in range(1, 71)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"situation": "x"}', "answers.jsonl:1"),
        ('{"situation": "x", "answer": "y"}\n{"situation": "x", "answer": 5}', "answers.jsonl:2"),
        ('{"situation": "x", "answer": " "}', "answer has no text"),
        ("{", "answers.jsonl:1"),
        ("  \n", "nothing to witness"),
    ],
    ids=["field", "second line", "blank", "no json", "nothing"],
)
def test_a_bad_line_is_named_before_anything_is_sent(
    serve: Serve,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    engines: list[ScriptedEngine],
    text: str,
    part: str,
) -> None:
    serve()
    file = tmp_path / "answers.jsonl"
    file.write_text(text)
    assert main(["witness", str(file)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), engines[0].asked) == ("", 1, [])
    assert part in err


def test_text_alone_asks_for_the_situation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "answer.txt").write_text("It was his time.")
    assert main(["witness", str(tmp_path / "answer.txt")]) == 2
    assert "--situation" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["witness", str(tmp_path / "nothing.txt")]) == 2
    assert "nothing.txt cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("plain", [False, True], ids=["signs", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_draws_every_weight_on_its_scale_and_fits(plain: bool, width: int) -> None:
    found = [
        Witness(
            scene=Scene(impact="She closes\nthe lid. \x1b[31m", weight=weight),
            expected_weight=None if weight is None else weight / 2,
            decision=None,
            revise_probability=None,
            status=Status.COMPLETE,
            problems=(),
            model="m",
            adapter=None,
        )
        for weight in (-3, 0, 3, None)
    ]
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(
            scene_table([(number, "[b]An answer[/b]", each) for number, each in enumerate(found, 1)], plain=plain)
        )
    shown = capture.get()
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    assert "[b]An answer[/b]" in shown
    assert len(re.findall(r"[−-]3 .{25} \+3", shown)) == 3
    assert shown.isascii() == plain
