from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from starlette.requests import Request
from starlette.types import Message
from stories import until

from tear_server.api.sse import DONE, KEEP_ALIVE, EventStream, data, named, unless_disconnected

HARD_TEXT = 'line\nbreak\r\n\u2028 "quotes" 👩‍👩‍👧‍👦 漢'


def test_an_unnamed_event_is_one_line_of_json_and_an_empty_line() -> None:
    sent = data({"text": HARD_TEXT})
    assert sent.startswith(b"data: {")
    assert sent.endswith(b"}\n\n")
    assert sent.count(b"\n") == 2
    assert b"\r" not in sent
    assert json.loads(sent.removeprefix(b"data: ")) == {"text": HARD_TEXT}


def test_a_named_event_says_its_name_first() -> None:
    assert named("text.delta", b'{"a":1}') == b'event: text.delta\ndata: {"a":1}\n\n'


def test_done_is_what_openai_sends() -> None:
    assert DONE == b"data: [DONE]\n\n"


# Silence


async def test_a_silence_is_filled_with_comments_and_nothing_follows_the_end() -> None:
    goes_on, sent = asyncio.Event(), list[Message]()

    async def source() -> AsyncGenerator[bytes, None]:
        yield data({"part": 1})
        await goes_on.wait()
        yield data({"part": 2})

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    async def send(message: Message) -> None:
        sent.append(message)

    stream = EventStream(source(), keep_alive_s=0.005)
    running = asyncio.create_task(stream({"type": "http", "method": "POST", "headers": []}, receive, send))
    await until(lambda: sum(each.get("body") == KEEP_ALIVE for each in sent) >= 3)
    goes_on.set()
    await running
    ended = len(sent)
    await asyncio.sleep(0.02)
    bodies = [each["body"] for each in sent if each["type"] == "http.response.body"]
    assert [body for body in bodies if body != KEEP_ALIVE] == [data({"part": 1}), data({"part": 2}), b""]
    assert (bodies[-1], len(sent)) == (b"", ended)
    assert sent[0]["type"] == "http.response.start"


async def test_a_stream_that_talks_needs_no_comments() -> None:
    sent = list[Message]()

    async def source() -> AsyncGenerator[bytes, None]:
        for part in range(50):
            yield data({"part": part})
            await asyncio.sleep(0)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    async def send(message: Message) -> None:
        sent.append(message)

    await EventStream(source(), keep_alive_s=60)({"type": "http", "method": "POST", "headers": []}, receive, send)
    assert all(each.get("body") != KEEP_ALIVE for each in sent)


# Clients who leave


def request(*messages: str) -> Request:
    """A request that receives `messages` and then nothing more."""
    coming = list(messages)

    async def receive() -> dict[str, str]:
        if not coming:
            await asyncio.Event().wait()
        return {"type": coming.pop(0)}

    return Request({"type": "http"}, receive)


async def test_work_that_ends_is_its_result() -> None:
    async def work() -> str:
        return "done"

    assert await unless_disconnected(request("http.request"), work()) == "done"


async def test_work_is_cancelled_when_the_client_leaves() -> None:
    ended: list[str] = []

    async def work() -> str:
        try:
            await asyncio.Event().wait()
            return "never"
        finally:
            ended.append("cancelled")

    assert await unless_disconnected(request("http.request", "http.disconnect"), work()) is None
    assert ended == ["cancelled"]


async def test_work_that_fails_fails() -> None:
    async def work() -> str:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        await unless_disconnected(request(), work())
