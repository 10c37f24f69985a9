"""The bytes of a stream, by the WHATWG's specification of server-sent events."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import httpx_sse
import pytest
from conformance.recorded import EVERY, MESSAGES, Recording, Target, stream
from conformance.wire import EventReader, Stream

RECORDED = pytest.mark.parametrize("name", EVERY)
ENDPOINTS = pytest.mark.parametrize("endpoint", ["chat/completions", "responses", "reflections"])


@pytest.fixture(scope="module")
def streams(http: httpx.Client, target: Target) -> Callable[[str], Stream]:
    kept: dict[str, Stream] = {}

    def streamed(endpoint: str) -> Stream:
        if endpoint not in kept:
            body = {"input": MESSAGES} if endpoint == "responses" else {"messages": MESSAGES}
            kept[endpoint] = stream(http, f"/v1/{endpoint}", {"model": target.direct, "stream": True, **body})
        return kept[endpoint]

    return streamed


@RECORDED
def test_every_event_is_one_data_line_and_a_blank_line(recording: Recording) -> None:
    blocks = recording.stream.raw.split(b"\n\n")
    assert blocks.pop() == b""
    events = [block for block in blocks if not block.startswith(b":")]
    assert all(block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block for block in events)


@RECORDED
def test_every_event_is_utf_8_by_itself(recording: Recording) -> None:
    for block in recording.stream.raw.split(b"\n\n"):
        block.decode("utf-8", "strict")


@RECORDED
def test_the_end_is_said_once_and_last(recording: Recording) -> None:
    data = [event.data for event in recording.stream.events()]
    assert data[-1] == "[DONE]"
    assert data.count("[DONE]") == 1


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_it_makes_no_difference_where_the_network_cuts(recorded: Callable[[str], Recording], size: int) -> None:
    whole = recorded("kept").stream
    reader = EventReader()
    parts = [whole.raw[start : start + size] for start in range(0, len(whole.raw), size)]
    assert [event for part in parts for event in reader.feed(part)] == whole.events()


def test_the_network_delivers_many_parts(recorded: Callable[[str], Recording]) -> None:
    """What is generated is sent when it is generated, not kept to the end."""
    assert len(recorded("revised").stream.parts) > 10


@ENDPOINTS
def test_no_field_but_event_and_data_is_sent(streams: Callable[[str], Stream], endpoint: str) -> None:
    reader = EventReader()
    reader.feed(streams(endpoint).raw)
    assert set(reader.fields) <= {"event", "data", ""}
    assert reader.is_between_events


@ENDPOINTS
def test_another_reader_reads_the_same(streams: Callable[[str], Stream], endpoint: str) -> None:
    streamed = streams(endpoint)
    reply = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=streamed.raw)
    read = [(event.event, event.data) for event in httpx_sse.EventSource(reply).iter_sse()]
    assert read == [(event.name, event.data) for event in streamed.events()]


@ENDPOINTS
def test_the_headers_are_those_of_a_stream(streams: Callable[[str], Stream], endpoint: str) -> None:
    headers = streams(endpoint).headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]
    assert "content-length" not in headers
    assert "content-encoding" not in headers


@ENDPOINTS
def test_an_event_is_named_where_its_api_names_it(streams: Callable[[str], Stream], endpoint: str) -> None:
    for event in streams(endpoint).events():
        match endpoint:
            case "chat/completions":
                assert event.name == "message"
            case "responses":
                assert event.name == event.json()["type"]
            case _:
                assert event.name.split(".")[0] in {"stage", "text", "reflection"}
