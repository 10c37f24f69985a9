from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import httpx
import pytest

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.wire import dump_event, dump_reflection
from tear_chain.words import Decision, Field, Outcome, Reflection, Scene, Stage, StageReport, Status
from tear_client import (
    Client,
    InvalidRequest,
    Message,
    ReflectionFailed,
    Role,
    ServerUnreachable,
    StatusError,
    StreamBroken,
    UnreadableReply,
)

DRAFT = "Maybe piano is not for you."
ANSWER = "Your ears are ahead of your hands."
SCENE = Scene("Someone who practised.", "They close the lid.", "They never sing again.", -2)
REFLECTION = Reflection(
    id="rfl_1",
    model="tear-nano",
    adapter="nano",
    status=Status.COMPLETE,
    outcome=Outcome.REVISED,
    problems=(),
    draft=DRAFT,
    witness=SCENE,
    expected_weight=-1.7,
    decision=Decision.REVISE,
    revise_probability=0.93,
    answer=ANSWER,
    answer_cut=False,
    stages=(),
)
REPORT = StageReport(
    Stage.DRAFT, tokens=7, prompt_tokens=20, cached_tokens=0, first_token_seconds=0.1, seconds=0.2, finish="stop"
)
EVENTS: tuple[Event, ...] = (
    StageStarted(Stage.DRAFT),
    TextDelta(Stage.DRAFT, None, "Maybe piano "),
    TextDelta(Stage.DRAFT, None, "is not for you."),
    StageCompleted(REPORT, DRAFT),
    StageStarted(Stage.WITNESS),
    TextDelta(Stage.WITNESS, Field.WHO, "Someone who practised."),
    TextDelta(Stage.WITNESS, Field.IMPACT, "They close the lid."),
    TextDelta(Stage.WITNESS, Field.RIPPLES, "They never sing again."),
    StageCompleted(replace(REPORT, stage=Stage.WITNESS), ""),
    Witnessed(SCENE, -1.7, Decision.REVISE, 0.93),
    StageStarted(Stage.REVISED),
    TextDelta(Stage.REVISED, None, ANSWER),
    StageCompleted(replace(REPORT, stage=Stage.REVISED), ANSWER),
    Completed(REFLECTION),
)

Handler = Callable[[httpx.Request], httpx.Response]


def sse(*events: Event) -> bytes:
    parts = [b": keep-alive\n\n"]
    for event in events:
        name, data = dump_event(event)
        parts.append(b"event: " + name.encode() + b"\ndata: " + data + b"\n\n")
    return b"".join(parts)


def stream_reply(content: bytes | Iterator[bytes]) -> httpx.Response:
    return httpx.Response(200, content=content, headers={"content-type": "text/event-stream; charset=utf-8"})


def refusal(status: int, headers: dict[str, str] | None = None, **error: object) -> httpx.Response:
    return httpx.Response(status, json={"error": {"type": "x", "param": None, "code": None, **error}}, headers=headers)


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAR_URL", raising=False)
    monkeypatch.delenv("TEAR_API_KEY", raising=False)


def client_of(handler: Handler, waits: list[float] | None = None, *, retries: int = 2) -> Client:
    waited: list[float] = [] if waits is None else waits
    return Client(transport=httpx.MockTransport(handler), sleep=waited.append, retries=retries)


def answering(*replies: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A handler that gives the replies in turn, and the requests it got."""
    left = list(replies)
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return handle, seen


def body_of(request: httpx.Request) -> object:
    return json.loads(request.content)


def test_a_reflection_comes_back_as_it_was_sent() -> None:
    handler, seen = answering(httpx.Response(200, json=dump_reflection(REFLECTION)))
    with client_of(handler) as client:
        assert client.reflect("I am terrible.") == REFLECTION
    assert seen[0].url == "http://127.0.0.1:8000/v1/reflections"
    assert body_of(seen[0]) == {"messages": [{"role": "user", "content": "I am terrible."}]}


def test_only_what_was_given_is_sent() -> None:
    handler, seen = answering(stream_reply(sse(*EVENTS)))
    messages = [Message(Role.USER, "a"), Message(Role.ASSISTANT, "b"), Message(Role.USER, "c 漢")]
    with (
        client_of(handler) as client,
        client.stream(
            messages,
            model="m",
            draft="d",
            temperature=0.0,
            top_p=0.5,
            seed=0,
            max_completion_tokens=5,
            revise_threshold=0.4,
        ),
    ):
        pass
    assert body_of(seen[0]) == {
        "model": "m",
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c 漢"},
        ],
        "draft": "d",
        "stream": True,
        "temperature": 0.0,
        "top_p": 0.5,
        "seed": 0,
        "max_completion_tokens": 5,
        "revise_threshold": 0.4,
    }


def test_a_stream_gives_every_event_and_then_the_reflection() -> None:
    handler, _ = answering(stream_reply(sse(*EVENTS)))
    with client_of(handler) as client, client.stream("x") as stream:
        assert tuple(stream) == EVENTS
        assert stream.final() == REFLECTION


def test_final_alone_waits_for_the_end() -> None:
    handler, _ = answering(stream_reply(sse(*EVENTS)))
    with client_of(handler) as client, client.stream("x") as stream:
        assert stream.final() == REFLECTION


def test_bytes_may_be_split_anywhere() -> None:
    whole = sse(TextDelta(Stage.DRAFT, None, "漢字 🦀"), Completed(REFLECTION))
    handler, _ = answering(stream_reply(bytes([byte]) for byte in whole))
    with client_of(handler) as client, client.stream("x") as stream:
        assert next(iter(stream)) == TextDelta(Stage.DRAFT, None, "漢字 🦀")
        assert stream.final() == REFLECTION


def test_an_event_of_a_newer_server_is_passed_over() -> None:
    handler, _ = answering(stream_reply(b'event: reflection.dreamt\ndata: {"a": 1}\n\n' + sse(*EVENTS)))
    with client_of(handler) as client, client.stream("x") as stream:
        assert tuple(stream) == EVENTS


def test_a_stream_cut_in_the_middle_keeps_what_had_come() -> None:
    handler, _ = answering(stream_reply(sse(*EVENTS[:7])))
    with client_of(handler) as client, client.stream("x") as stream:
        with pytest.raises(StreamBroken, match="while the draft was witnessed; what had come until then was kept") as e:
            list(stream)
        assert e.value.partial.draft == DRAFT
        assert e.value.partial.told[Field.IMPACT] == "They close the lid."
        with pytest.raises(StreamBroken):
            stream.final()


def test_a_lost_connection_is_a_broken_stream() -> None:
    def content() -> Iterator[bytes]:
        yield sse(*EVENTS[:3])
        raise httpx.ReadError("reset")

    handler, _ = answering(stream_reply(content()))
    with client_of(handler) as client, client.stream("x") as stream, pytest.raises(StreamBroken, match="was written"):
        stream.final()


def test_a_failure_on_the_server_ends_the_stream_with_its_code() -> None:
    handler, _ = answering(stream_reply(sse(*EVENTS[:4], Failed("engine_dead", "The engine is gone."))))
    with client_of(handler) as client, client.stream("x") as stream:
        with pytest.raises(ReflectionFailed, match="The engine is gone") as e:
            stream.final()
        assert (e.value.code, e.value.partial.draft) == ("engine_dead", DRAFT)


def test_leaving_a_stream_early_closes_the_connection() -> None:
    closed = []

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield sse(*EVENTS[:2])
            yield sse(*EVENTS[2:])

        def close(self) -> None:
            closed.append(True)

    reply = httpx.Response(200, stream=Body(), headers={"content-type": "text/event-stream"})
    handler, _ = answering(reply)
    with client_of(handler) as client:
        with client.stream("x") as stream:
            next(iter(stream))
        assert closed


@pytest.mark.parametrize(
    "reply",
    [
        stream_reply(b"event: text.delta\ndata: {}\n\n"),
        stream_reply(b"event: text.delta\ndata: not json\n\n"),
        httpx.Response(200, text="<html>hello</html>", headers={"content-type": "text/html"}),
    ],
    ids=["missing fields", "no json", "no stream"],
)
def test_a_stranger_in_place_of_a_stream_is_named(reply: httpx.Response) -> None:
    handler, _ = answering(reply)
    with client_of(handler) as client, client.stream("x") as stream, pytest.raises(UnreadableReply, match="8000"):
        stream.final()


@pytest.mark.parametrize("text", ["<html>", "{}", '{"id": 1}'])
def test_a_stranger_in_place_of_a_reply_is_named(text: str) -> None:
    handler, _ = answering(httpx.Response(200, text=text), httpx.Response(200, text=text))
    with client_of(handler) as client:
        with pytest.raises(UnreadableReply):
            client.reflect("x")
        with pytest.raises(UnreadableReply):
            client.models()


def test_models_come_in_the_servers_order() -> None:
    served = [
        {"id": "tear-nano", "object": "model", "created": 5, "owned_by": "x", "more": 1},
        {"id": "tear-nano-direct"},
    ]
    handler, _ = answering(httpx.Response(200, json={"object": "list", "data": served}))
    with client_of(handler) as client:
        assert [model.id for model in client.models()] == ["tear-nano", "tear-nano-direct"]


def test_a_refusal_is_rebuilt_from_its_body() -> None:
    handler, _ = answering(refusal(404, message="No such model.", code="model_not_found", param="model"))
    with client_of(handler) as client, pytest.raises(StatusError, match="No such model") as e:
        client.reflect("x")
    assert (e.value.status, e.value.code, e.value.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad Gateway</html>", b'{"error": "Unauthorized"}', b"[]", b'{"detail": "Not Found"}'],
    ids=["empty", "html", "text", "list", "fastapi"],
)
def test_a_refusal_in_another_shape_still_says_what_happened(body: bytes) -> None:
    handler, _ = answering(httpx.Response(502, content=body))
    with client_of(handler) as client, pytest.raises(StatusError, match="8000 answered 502 Bad Gateway") as e:
        client.reflect("x")
    assert e.value.status == 502


def test_a_numeric_code_is_kept_as_text() -> None:
    handler, _ = answering(refusal(400, message="Bad.", code=400))
    with client_of(handler) as client, pytest.raises(StatusError) as e:
        client.reflect("x")
    assert e.value.code == "400"


OK = httpx.Response(200, json=dump_reflection(REFLECTION))


@pytest.mark.parametrize(
    ("first", "shortest", "longest"),
    [
        (httpx.ConnectError("refused"), 0.25, 0.32),
        (refusal(503, message="Busy."), 0.25, 0.32),
        (refusal(429, {"retry-after": "3"}, message="Busy."), 3, 3.75),
        (refusal(503, {"retry-after-ms": "1500", "retry-after": "9"}, message="Busy."), 1.5, 1.9),
        (refusal(503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, message="Busy."), 0, 0),
        (refusal(503, {"retry-after": "soon"}, message="Busy."), 0.25, 0.32),
        (refusal(500, {"x-should-retry": "true"}, message="Failed."), 0.25, 0.32),
        (refusal(409, {"x-should-retry": "true", "retry-after": "2"}, message="Busy."), 2, 2.5),
    ],
    ids=["refused", "busy", "seconds", "milliseconds", "past date", "nonsense", "asked for", "asked for later"],
)
def test_it_tries_again_after_the_pause_asked_for(
    first: httpx.Response | Exception, shortest: float, longest: float
) -> None:
    waits: list[float] = []
    handler, _ = answering(first, httpx.Response(200, json=dump_reflection(REFLECTION)))
    with client_of(handler, waits) as client:
        assert client.reflect("x") == REFLECTION
    assert len(waits) == 1
    assert shortest <= waits[0] <= longest


@pytest.mark.parametrize(
    "reply",
    [
        refusal(503, {"x-should-retry": "false"}, message="Gone."),
        refusal(429, {"x-should-retry": "false", "retry-after": "1"}, message="Gone."),
        refusal(429, {"retry-after": "3600"}, message="Tomorrow."),
        refusal(500, message="Broken."),
        refusal(400, message="Wrong."),
    ],
    ids=["not wanted", "not wanted at all", "too long", "500", "400"],
)
def test_it_does_not_try_again_where_that_is_of_no_use(reply: httpx.Response) -> None:
    handler, seen = answering(reply)
    with client_of(handler) as client, pytest.raises(StatusError):
        client.reflect("x")
    assert len(seen) == 1


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.RemoteProtocolError("gone")]
)
def test_a_request_that_may_have_begun_is_not_sent_twice(error: Exception) -> None:
    handler, seen = answering(error)
    with client_of(handler) as client, pytest.raises((ServerUnreachable, StreamBroken)):
        client.reflect("x")
    assert len(seen) == 1


def test_retries_are_bounded() -> None:
    waits: list[float] = []
    handler, seen = answering(*[httpx.ConnectError("refused") for _ in range(4)])
    with client_of(handler, waits, retries=3) as client, pytest.raises(ServerUnreachable, match="No server at"):
        client.models()
    assert len(seen) == 4
    assert waits == sorted(waits)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("localhost:9", "http://localhost:9"),
        ("https://tear.example/v1/", "https://tear.example"),
        ("https://example.org/tear", "https://example.org/tear"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_are_taken_as_people_write_them(given: str, url: str) -> None:
    handler, seen = answering(httpx.Response(200, json={"data": []}))
    with Client(given, transport=httpx.MockTransport(handler)) as client:
        client.models()
    assert seen[0].url == f"{url}/v1/models"


@pytest.mark.parametrize("given", ["", "ftp://x", "http://", "http://x:y", "http://x?y=1", "http://\x1b[0m"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest, match="not a server's address"):
        Client(given)


def test_the_key_travels_as_bearer() -> None:
    handler, seen = answering(httpx.Response(200, json={"data": []}))
    with Client(api_key="k", transport=httpx.MockTransport(handler)) as client:
        client.models()
    assert seen[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("key", ["é", "a\nb"])
def test_a_key_that_no_header_carries_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest, match="key"):
        Client(api_key=key)


@pytest.mark.parametrize(
    ("options", "param"),
    [({"temperature": float("nan")}, "temperature"), ({"draft": "\udc80"}, "draft")],
    ids=["nan", "half a character"],
)
def test_what_json_cannot_carry_is_refused_before_sending(options: dict[str, object], param: str) -> None:
    handler, seen = answering()
    with client_of(handler) as client, pytest.raises(InvalidRequest) as e:
        client.reflect("x", **options)  # type: ignore[arg-type]
    assert (e.value.param, seen) == (param, [])


def test_a_conversation_out_of_order_is_refused_before_sending() -> None:
    handler, seen = answering()
    with client_of(handler) as client, pytest.raises(InvalidRequest, match="not from user"):
        client.reflect([Message(Role.USER, "a"), Message(Role.ASSISTANT, "b")])
    assert seen == []


# Patience


def test_pauses_grow_and_are_spread_by_chance() -> None:
    waits: list[float] = []
    handler, _ = answering(*[httpx.ConnectError("refused") for _ in range(5)])
    chances = iter([0.0, 1.0, 0.5, 0.0])
    transport = httpx.MockTransport(handler)
    with (
        Client(transport=transport, retries=4, sleep=waits.append, random=lambda: next(chances)) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.models()
    assert waits == [0.25, 0.5 * 1.25, 1.0 * 1.125, 2.0]


def test_other_options_leave_the_client_as_it_was_and_share_its_connections() -> None:
    handler, seen = answering(*[httpx.ConnectError("refused") for _ in range(4)])
    waits: list[float] = []
    with client_of(handler, waits) as client:
        with pytest.raises(ServerUnreachable):
            client.with_options(retries=0, timeout=7).models()
        assert (len(seen), waits, seen[0].extensions["timeout"]["read"]) == (1, [], 7)
        with pytest.raises(ServerUnreachable):
            client.models()
    assert (len(seen), len(waits), seen[1].extensions["timeout"]["read"]) == (4, 2, 600)
    with pytest.raises(RuntimeError, match="closed"):
        client.with_options(retries=1).models()


def test_each_phase_can_have_a_patience_of_its_own() -> None:
    handler, seen = answering(httpx.Response(200, json={"data": []}))
    phases = httpx.Timeout(connect=1, write=2, read=3, pool=4)
    with Client(transport=httpx.MockTransport(handler), timeout=phases) as client:
        client.models()
    assert seen[0].extensions["timeout"] == {"connect": 1, "write": 2, "read": 3, "pool": 4}


def test_a_probe_comes_back_at_once() -> None:
    handler, seen = answering(httpx.ConnectError("refused"))
    waits: list[float] = []
    with client_of(handler, waits) as client, pytest.raises(ServerUnreachable):
        client.ready()
    assert (len(seen), waits) == (1, [])


# Many answers


def scenes_of(request: httpx.Request) -> httpx.Response:
    """A scene for each item, whose `who` is the item's answer."""
    items = json.loads(request.content)["items"]
    data = [
        {"index": index, "object": "witness", "status": "complete", "problems": [], "witness": {"who": item["answer"]}}
        for index, item in enumerate(items)
    ]
    return httpx.Response(200, json={"model": "m", "adapter": "a", "data": data})


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (64, [64]), (65, [64, 1]), (200, [64, 64, 64, 8])])
def test_scenes_come_in_the_order_of_the_answers_however_they_were_split(count: int, sizes: list[int]) -> None:
    seen: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(len(json.loads(request.content)["items"]))
        return scenes_of(request)

    answers = [f"Answer {number}." for number in range(count)]
    with client_of(handle) as client:
        assert [found.scene.who for found in client.witness(answers, situation="x")] == answers
    assert seen == sizes


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_scene_that_is_missing_is_no_answer(dropped: int) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        reply = json.loads(scenes_of(request).content)
        del reply["data"][dropped]
        return httpx.Response(200, json=reply)

    with client_of(handle) as client, pytest.raises(UnreadableReply, match="the scenes"):
        client.witness(["a", "b"], situation="x")


# The environment


def test_address_and_key_are_those_of_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAR_URL", "tear.example:9/v1")
    monkeypatch.setenv("TEAR_API_KEY", "k")
    handler, seen = answering(*[httpx.Response(200, json={"data": []}) for _ in range(2)])
    with Client(transport=httpx.MockTransport(handler)) as client:
        client.models()
    with Client("http://other.example", "", transport=httpx.MockTransport(handler)) as client:
        client.models()
    assert [(str(each.url), each.headers.get("authorization")) for each in seen] == [
        ("http://tear.example:9/v1/models", "Bearer k"),
        ("http://other.example/v1/models", None),
    ]
