from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients.conftest import Serve
from scripted import ScriptedEngine
from stories import ANSWER, DRAFT, KEPT, MODEL

from tear_chain.conversation import Message, Role
from tear_chain.errors import InvalidRequest
from tear_chain.tokenizer import ChainTokenizer
from tear_client import Client
from tear_client.commands.dialogue import Dialogue
from tear_client.commands.showing import Speaker
from tear_client.commands.talk import COMMANDS, Talk
from tear_client.main import main
from tear_server.api.app import Access
from tear_server.keys import Key, make_key


def type_in(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Chat those lines: the exit code, the JSON objects that were printed, and what was said of errors."""

    def run(*lines: str, options: tuple[str, ...] = ()) -> tuple[int, list[dict[str, Any]], str]:
        type_in(monkeypatch, *lines)
        code = main(["chat", "--json", *options])
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


def asked(engines: list[ScriptedEngine], tokenizer: ChainTokenizer) -> list[str]:
    """What the engine was asked for drafts, as text."""
    return [tokenizer.decode(each.prompt) for each in engines[0].asked if each.id.endswith("draft")]


def test_a_second_turn_remembers_the_answer_and_not_the_draft(serve: Serve, chat: Any, tmp_path: Path) -> None:
    serve()
    file = tmp_path / "talk.json"
    code, told, _ = chat("One", "Two", f"/save {file}")
    assert (code, [each["answer"] for each in told]) == (0, [ANSWER, ANSWER])
    saved = Dialogue.load(file)
    assert saved.asking("Three") == [
        Message(Role.USER, "One"),
        Message(Role.ASSISTANT, ANSWER),
        Message(Role.USER, "Two"),
        Message(Role.ASSISTANT, ANSWER),
        Message(Role.USER, "Three"),
    ]


def test_a_saved_conversation_goes_on_where_it_was(serve: Serve, chat: Any, tmp_path: Path) -> None:
    serve()
    file = tmp_path / "talk.json"
    chat("/system Be brief.", "One", f"/save {file}")
    code, _, _ = chat(f"/load {file}", "Two", f"/save {file}")
    saved = Dialogue.load(file)
    assert (code, saved.system, [turn.said for turn in saved.turns]) == (0, "Be brief.", ["One", "Two"])


def test_a_file_of_somebody_else_is_not_written_over(serve: Serve, chat: Any, tmp_path: Path) -> None:
    serve()
    file = tmp_path / "thesis.txt"
    file.write_text("years of work")
    code, _, err = chat("One", f"/save {file}")
    assert (code, file.read_text()) == (2, "years of work")
    assert "is there already" in err


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"turns": [{"said": "x"}]}'], ids=["empty", "bare", "list", "half"])
def test_what_is_no_conversation_is_not_loaded(tmp_path: Path, text: str) -> None:
    file = tmp_path / "talk.json"
    file.write_text(text)
    if text == "{}":
        assert Dialogue.load(file) == Dialogue()
        return
    with pytest.raises(InvalidRequest, match="not a conversation"):
        Dialogue.load(file)


def test_retry_answers_the_last_thing_anew_and_draws_anew(
    serve: Serve, chat: Any, engines: list[ScriptedEngine], tmp_path: Path
) -> None:
    serve()
    file = tmp_path / "talk.json"
    code, told, _ = chat("One", "/retry", f"/save {file}", options=("--seed", "7"))
    assert (code, len(told), [turn.said for turn in Dialogue.load(file).turns]) == (0, 2, ["One"])
    assert {each.sampling.seed for each in engines[0].asked} == {7, 8}


@pytest.mark.parametrize("line", ["/witness", "/witness It was his time."], ids=["last answer", "another"])
def test_the_last_answer_or_another_is_witnessed(serve: Serve, chat: Any, line: str) -> None:
    serve()
    code, told, _ = chat("One", line)
    assert (code, told[1]["scene"]["weight"], told[1]["decision"]) == (0, -2, "revise")


def test_a_direct_answer_can_be_witnessed_afterwards(serve: Serve, chat: Any) -> None:
    serve(KEPT)
    code, told, _ = chat(f"/model {MODEL}-direct", "One", "/witness")
    assert (code, told[0]["status"], told[0]["answer"], told[1]["model"]) == (0, "bypassed", DRAFT, MODEL)


def test_what_came_of_the_last_answer_is_reported(serve: Serve, chat: Any) -> None:
    serve(keeps=True)
    assert chat("One", "/report +2 She called back.")[0] == 0


def test_a_new_conversation_forgets_the_old_and_keeps_the_system_message(
    serve: Serve, chat: Any, tmp_path: Path
) -> None:
    serve()
    file = tmp_path / "talk.json"
    chat("/system Be brief.", "One", "/new", "Two", f"/save {file}")
    assert Dialogue.load(file).asking("x")[0] == Message(Role.SYSTEM, "Be brief.")
    assert [turn.said for turn in Dialogue.load(file).turns] == ["Two"]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("/sing", "no command /sing"),
        ("/witness", "Nothing was answered yet"),
        ("/retry", "Nothing was answered yet"),
        ("/report +2 x", "Nothing was answered yet"),
        ("/report 9 x", "/report +2"),
        ("/report +2", "/report +2"),
        ("/model gpt-9", f"There are {MODEL}"),
        ("/save", "/save FILE"),
        ("/load /nowhere/at/all", "cannot be read"),
    ],
)
def test_a_command_that_cannot_be_obeyed_says_why(serve: Serve, chat: Any, line: str, part: str) -> None:
    serve()
    code, told, err = chat(line)
    assert (code, told) == (2, [])
    assert part in err


def test_every_command_of_the_help_is_obeyed(serve: Serve, chat: Any, tmp_path: Path) -> None:
    serve(keeps=True)
    file = tmp_path / "talk.json"
    given = {"/save": str(file), "/load": str(file), "/report": "+1 x", "/system": "Be brief."}
    commands = [f"{name} {given.get(name, '')}".strip() for name in COMMANDS if name not in ("/new", "/direct")]
    code, _, err = chat("One", "/direct", "/direct", *commands, "/new")
    assert (code, err) == (0, "")


def test_a_limit_is_waited_out_and_the_same_asked_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, refused = serve(), {"message": "Enough. Come again in 7 s.", "code": "rate_limit_exceeded"}
    bodies: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        if len(bodies) < 3:
            return httpx.Response(429, json={"error": refused}, headers={"retry-after-ms": "7000"})
        whole = httpx.post(f"{url}/v1/reflections", content=request.content, headers=request.headers)
        return httpx.Response(200, content=whole.content)

    type_in(monkeypatch, "One")
    waits: list[float] = []
    with Client(transport=httpx.MockTransport(handle), longest_wait_s=1) as client:
        Talk(Speaker(client, as_json=True), {}, wait=waits.append).run()
    out, err = capsys.readouterr()
    assert (json.loads(out)["answer"], waits, len(set(bodies))) == (ANSWER, [7.0, 7.0], 1)
    assert err == "Enough. Come again in 7 s.\n" * 2


def test_ctrl_c_at_the_prompt_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Person(io.StringIO):
        def isatty(self) -> bool:
            return True

    keys: list[type[BaseException]] = [KeyboardInterrupt, KeyboardInterrupt, EOFError]

    def read(prompt: str) -> str:
        raise keys.pop(0)

    monkeypatch.setattr(sys, "stdin", Person())
    monkeypatch.setattr("builtins.input", read)
    with Client() as client:
        Talk(Speaker(client, as_json=False), {}).run()
    assert keys == []


def test_ask_says_when_a_limit_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key, digest = make_key()
    serve(access=Access(keys={"alice": Key(sha256=digest, requests_per_minute=1)}))
    monkeypatch.setenv("TEAR_API_KEY", key)
    assert main(["ask", "x"]) == 0
    assert main(["ask", "x"]) == 1
    assert "Come again in" in capsys.readouterr().err
