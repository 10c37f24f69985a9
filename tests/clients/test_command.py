from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tear_chain.events import Event, Failed, StageStarted
from tear_chain.wire import dump_event, dump_reflection
from tear_chain.words import Decision, Outcome, Reflection, Scene, Stage, Status
from tear_client.main import main
from tear_client.progress import replay

REFLECTION = Reflection(
    id="rfl_1",
    model="tear-nano",
    adapter="nano",
    status=Status.COMPLETE,
    outcome=Outcome.REVISED,
    problems=(),
    draft="Maybe piano is not for you.",
    witness=Scene("Someone who practised.", "They close the lid.", "They never sing again.", -2),
    expected_weight=-1.7,
    decision=Decision.REVISE,
    revise_probability=0.93,
    answer="Your ears are ahead of your hands.",
    answer_cut=False,
    stages=(),
)
BYPASSED = replace(
    REFLECTION,
    status=Status.BYPASSED,
    outcome=Outcome.BYPASSED,
    draft=REFLECTION.answer,
    witness=None,
    expected_weight=None,
    decision=None,
    revise_probability=None,
)
LINES = """\
draft: Maybe piano is not for you.
who: Someone who practised.
impact: They close the lid.
ripples: They never sing again.
weight: -2 (expected -1.7)
decision: revise (p=0.93)
answer: Your ears are ahead of your hands.
"""
MODELS = {"object": "list", "data": [{"id": "tear-nano"}, {"id": "tear-nano-direct"}]}


@dataclass
class FakeServer:
    """A server of the protocol on a real socket; what it answers with can be set."""

    url: str = ""
    status: int = 200
    error: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    """Of a refusal."""
    events: Callable[[], Iterator[Event]] | None = None
    hang: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.keys.append(handler.headers["authorization"])
        if self.status != 200:
            return send_json(handler, self.status, {"error": self.error}, self.headers)
        if handler.command == "GET":
            return send_json(handler, 200, MODELS)
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        self.requests.append(request)
        reflection = BYPASSED if request.get("model", "").endswith("-direct") else REFLECTION
        if not request.get("stream"):
            return send_json(handler, 200, dump_reflection(reflection))
        return self._stream(handler, reflection)

    def _stream(self, handler: BaseHTTPRequestHandler, reflection: Reflection) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        for event in replay(reflection) if self.events is None else self.events():
            name, data = dump_event(event)
            handler.wfile.write(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")
            handler.wfile.flush()
        try:
            while self.hang:
                handler.wfile.write(b": keep-alive\n\n")
                time.sleep(0.02)
        except OSError:
            self.aborted.set()


def send_json(
    handler: BaseHTTPRequestHandler, status: int, value: object, headers: dict[str, str] | None = None
) -> None:
    body = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(body)))
    for name, said in (headers or {}).items():
        handler.send_header(name, said)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.answer(self)

        do_POST = do_GET  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        fake.url = f"http://127.0.0.1:{httpd.server_address[1]}"
        monkeypatch.setenv("TEAR_URL", fake.url)
        yield fake
        fake.hang = False
        httpd.shutdown()
        thread.join()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("TEAR_URL", url)
    return url


def type_in(monkeypatch: pytest.MonkeyPatch, text: str | bytes) -> None:
    raw = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))


def test_ask_prints_the_chain(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "I am terrible."]) == 0
    assert capsys.readouterr() == (LINES, "")
    assert server.requests == [{"messages": [{"role": "user", "content": "I am terrible."}], "stream": True}]


def test_ask_without_streaming_prints_the_same(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "x", "--no-stream"]) == 0
    assert capsys.readouterr().out == LINES
    assert "stream" not in server.requests[0]


@pytest.mark.parametrize("arguments", [["--json", "ask", "x"], ["ask", "x", "--json"]], ids=["before", "after"])
def test_json_is_the_reflection(server: FakeServer, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == dump_reflection(REFLECTION)


@pytest.mark.parametrize("arguments", [["ask"], ["ask", "-"]])
def test_ask_reads_a_pipe(server: FakeServer, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    type_in(monkeypatch, "Line one.\nLine two 漢.\n")
    assert main(arguments) == 0
    assert server.requests[0]["messages"][0]["content"] == "Line one.\nLine two 漢.\n"


def test_every_option_of_ask_is_sent(server: FakeServer) -> None:
    options = ["--model", "m", "--draft", "d", "--temperature", "0.5", "--seed", "7", "--max-tokens", "9"]
    assert main(["ask", "x", *options]) == 0
    sent = {"model": "m", "draft": "d", "temperature": 0.5, "seed": 7, "max_completion_tokens": 9}
    assert sent.items() <= server.requests[0].items()


@pytest.mark.parametrize(
    ("given", "asked"), [([], "tear-nano-direct"), (["-m", "big"], "big-direct"), (["-m", "a-direct"], "a-direct")]
)
def test_direct_asks_the_model_that_does_not_reflect(
    server: FakeServer, capsys: pytest.CaptureFixture[str], given: list[str], asked: str
) -> None:
    assert main(["ask", "x", "--direct", *given]) == 0
    assert server.requests[0]["model"] == asked
    assert capsys.readouterr().out == "answer: Your ears are ahead of your hands.\nstatus: bypassed\n"


def test_models_are_listed(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "tear-nano\ntear-nano-direct\n"


def test_chat_remembers_answers_only(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "One\n\n/direct\nTwo\n/quit\nThree\n")
    assert main(["chat", "--json"]) == 0
    assert [message["content"] for message in server.requests[1]["messages"]] == ["One", REFLECTION.answer, "Two"]
    assert [request.get("model") for request in server.requests] == [None, "tear-nano-direct"]
    assert [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()] == ["complete", "bypassed"]


def test_a_script_that_chats_ends_at_its_first_mistake(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "/sing a song\nHello\n")
    assert main(["chat"]) == 2
    assert "no command /sing" in capsys.readouterr().err
    assert server.requests == []


def test_the_key_is_sent(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAR_API_KEY", "secret")
    assert main(["models"]) == 0
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize("arguments", [["ask", "x"], ["models"], ["ask", "x", "--json"]], ids=" ".join)
def test_without_a_server_one_sentence_says_so(
    nobody: str, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", f"No server at {nobody}. Start one with make serve, or give --url.\n")


def test_a_refusal_is_one_sentence(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.status, server.error = 404, {"message": "No model `x`. \x1b[31mGET /v1/models\x1b[0m.", "code": "n"}
    assert main(["ask", "hi", "--model", "x"]) == 1
    assert capsys.readouterr() == ("", "No model `x`. [31mGET /v1/models[0m.\n")


def test_a_wrong_key_says_where_to_give_it(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.status, server.error = 401, {"message": "The key is wrong."}
    assert main(["models"]) == 1
    assert capsys.readouterr().err == "The key is wrong. Give the key with --api-key or TEAR_API_KEY.\n"


def test_a_server_that_is_busy_for_long_says_when_to_ask_again(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status, server.error, server.headers = 503, {"message": "It works."}, {"retry-after": "42"}
    assert main(["ask", "x"]) == 1
    assert capsys.readouterr().err == "It works. Ask again in 42 s.\n"
    assert len(server.keys) == 1


def test_a_cut_stream_keeps_what_came_and_says_so(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.events = lambda: iter(
        [StageStarted(Stage.DRAFT), *list(replay(REFLECTION))[:2], StageStarted(Stage.WITNESS)]
    )
    assert main(["ask", "x"]) == 1
    out, err = capsys.readouterr()
    assert out == "".join(LINES.splitlines(keepends=True)[:2])
    assert err.startswith(f"The connection to {server.url} broke off while the draft was witnessed; what had come")


def test_a_failed_reflection_is_one_sentence(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.events = lambda: iter([Failed("engine_error", "The engine stopped. Ask again.")])
    assert main(["ask", "x"]) == 1
    assert capsys.readouterr() == ("", "The engine stopped. Ask again.\n")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["ask", " "], "nothing to ask"),
        (["ask", "x", "--direct", "--draft", "y"], "Give one of them"),
        (["ask", "x", "--temperature", "nan"], "--temperature"),
        (["ask", "x", "--temperature", "-1"], "--temperature"),
        (["ask", "x", "--seed", "many"], "--seed"),
        (["ask", "x", "--nonsense"], "--nonsense"),
        (["aks", "x"], "Did you mean 'ask'?"),
        (["--url", "ftp://x", "models"], "not a server's address"),
        (["ask", "\udc80"], "UTF-8"),
    ],
    ids=lambda value: " ".join(value).encode(errors="replace").decode() if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exits_2(
    server: FakeServer, capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err


def test_a_pipe_that_is_not_text_is_named(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, b"\xff\xfe")
    assert main(["ask"]) == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_nothing_given_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Usage: tear" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tear 0.")


@pytest.mark.parametrize("code", ["import tear_client", "from tear_client.main import main; main(['--help'])"])
def test_neither_the_client_nor_the_help_imports_server_or_training(code: str) -> None:
    heavy = "('tear_server', 'tear_training', 'torch', 'vllm', 'fastapi', 'transformers', 'mistral_common')"
    probe = f"import sys; {code}; print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_help_lists_the_guests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("ask", "chat", "models", "serve", "train", "base"))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution whose entry points bring `serve`, `train` and `base`."""
    card = tmp_path / "house-1.0.dist-info"
    card.mkdir()
    (card / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1.0\n")
    (card / "entry_points.txt").write_text(
        "[tear.commands]\nserve = house_serve:app\ntrain = house_train:train\nbase = house_base:app\n"
    )
    (tmp_path / "house_serve.py").write_text("import a_missing_package\n")
    (tmp_path / "house_train.py").write_text(
        "def train(config: str, steps: int = 3) -> None:\n"
        "    '''Train it well.'''\n"
        "    if config == 'late':\n"
        "        import another_missing_package\n"
        "    print(config, steps)\n"
    )
    (tmp_path / "house_base.py").write_text(
        "import typer\napp = typer.Typer()\n"
        "@app.command()\ndef nano(out: str) -> None:\n    print('nano', out)\n"
        "@app.command()\ndef prepare(out: str) -> None:\n    print('prepare', out)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_guest_runs_with_its_own_options(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nano.yaml", "--steps", "5"]) == 0
    assert main(["base", "nano", "out"]) == 0
    assert capsys.readouterr().out == "nano.yaml 5\nnano out\n"


def test_a_guest_has_its_own_help(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Train it well." in out
    assert "Usage: tear train" in out
    assert "install-completion" not in out


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["serve", "--port", "1"], "a_missing_package", "the-tear[serve-cpu]"),
        (["train", "late"], "another_missing_package", "the-tear[train]"),
    ],
    ids=["on import", "when it runs"],
)
def test_a_guest_without_its_extra_says_what_to_install(
    house: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], package: str, extra: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert package in err
    assert f"pip install '{extra}'" in err


def complete(words: str, house: Path) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(house),
        "_TEAR_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    run = [sys.executable, "-c", "from tear_client.main import main; main()"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [("tear se", ["serve"]), ("tear base p", ["prepare"]), ("tear ask --mod", ["--model"]), ("tear serve --p", [])],
)
def test_completion_offers_what_fits_and_survives_a_missing_extra(house: Path, words: str, offered: list[str]) -> None:
    assert complete(words, house) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_completion(shell: str) -> None:
    run = [sys.executable, "-c", "from tear_client.main import main; main()"]
    environment = {**os.environ, "_TEAR_COMPLETE": f"source_{shell}"}
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert f"complete_{shell}" in done.stdout
    assert (
        "--show-completion"
        in subprocess.run(
            [*run[:2], "from tear_client.main import main; main(['--help'])"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_the_picture_of_a_reflection_is_saved_and_fetches_nothing(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "ask.svg"
    assert main(["ask", "I am <terrible>.", "--svg", str(file)]) == 0
    picture = ElementTree.fromstring(file.read_text(encoding="utf-8"))
    told = "".join(picture.itertext()).replace("\xa0", " ")
    assert "I am <terrible>." in told
    assert "Maybe piano is not for you." in told
    assert "http" not in "".join(node.text or "" for node in picture.iter("{http://www.w3.org/2000/svg}style"))


def test_a_picture_that_cannot_be_written_is_named(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", "x", "--svg", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_ctrl_c_stops_the_server_s_work_and_exits_130(server: FakeServer) -> None:
    server.events = lambda: iter(list(replay(REFLECTION))[:1])
    server.hang = True
    draft = LINES.partition("\n")[0]
    run = [sys.executable, "-c", "import sys; from tear_client.main import main; sys.exit(main(['ask', 'x']))"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(len(draft)) == draft
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (130, "\n", "")
    assert server.aborted.wait(5)


def test_a_reader_that_goes_away_causes_no_traceback(server: FakeServer) -> None:
    line = f'{sys.executable} -c \'from tear_client.main import main; main(["ask", "x"])\' | head -c 5'
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("draft", "")
