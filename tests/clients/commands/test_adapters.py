from __future__ import annotations

import json

import pytest
from clients.conftest import Serve
from folders import House
from stories import MODEL

from tear_client.main import main


def test_adapters_are_listed_with_what_they_answer(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    first = house.name("first")
    line = f"{first}\tsmall\t8\t{MODEL}\t-\t0\n"
    assert main(["adapters"]) == 0
    assert main(["adapters", "list"]) == 0
    assert capsys.readouterr().out == line * 2


@pytest.mark.parametrize("arguments", [["adapters", "--json"], ["adapters", "list", "--json"], ["--json", "adapters"]])
def test_json_is_what_the_server_told(house: House, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == {"accuracy": 0.75, "cas": 0.25}


def test_one_is_loaded_rolled_back_and_deleted(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = house.name("first"), house.name("second")
    assert main(["adapters", "load", "second"]) == 0
    assert main(["adapters", "rollback"]) == 0
    assert main(["adapters", "delete", second]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{MODEL} answers with {second}; before it was {first}.",
        f"{MODEL} answers with {first}; before it was {second}.",
        f"{second} is unloaded.",
    ]


def test_a_new_model_comes_and_goes(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters", "load", "second", "--model", "org/small"]) == 0
    assert main(["adapters", "load", "third", "--model", "org/small", "--json"]) == 0
    assert main(["adapters", "rollback", "org/small"]) == 0
    assert main(["adapters", "delete", "org/small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"org/small answers with {house.name('second')}."
    assert json.loads(lines[1])["adapter"] == house.name("third")
    assert lines[3] == "org/small is no longer served."


@pytest.mark.parametrize(
    ("arguments", "part"),
    [(["rollback"], "before"), (["delete", MODEL], MODEL), (["load", "nowhere"], "nowhere")],
    ids=["nothing before", "the default model", "no folder"],
)
def test_a_refusal_is_one_sentence(
    house: House, capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    assert main(["adapters", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err


def test_a_server_that_takes_none_says_how_to_start_one_that_does(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve()
    assert main(["adapters"]) == 1
    assert "--adapters-dir" in capsys.readouterr().err
