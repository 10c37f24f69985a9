"""How streams end when something goes wrong that nobody gave a name, and what they cost until then."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import DRAFT, KEPT, MODEL, REVISED, STORIES, Story, asking, play, post, service_over, sse_data

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.deadline import Deadlines
from tear_server.engine import Chunk, Generation
from tear_server.service import Service

CHAT, RESPONSES, REFLECTIONS = "/v1/chat/completions", "/v1/responses", "/v1/reflections"
PATHS = pytest.mark.parametrize("path", [CHAT, RESPONSES, REFLECTIONS])
SECRET = "Zanzibar"


class Astonishing(ScriptedEngine):
    """Fails after some chunks in a way that has no name here."""

    after = 3

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        count = 0
        async for chunk in super().generate(generation):
            yield chunk
            count += 1
            if count == self.after:
                raise ZeroDivisionError("nobody expects it")


def astonishing(tokenizer: ChainTokenizer) -> Astonishing:
    scripted = play(tokenizer, REVISED)
    return Astonishing(scripted.scripts, leads_to=scripted.leads_to)


def body(path: str, **fields: Any) -> dict[str, Any]:
    return ({"input": f"{SECRET}?"} if path == RESPONSES else asking(f"{SECRET}?")) | fields


@PATHS
async def test_a_surprise_in_a_stream_is_told_at_its_end_and_logged(
    tokenizer: ChainTokenizer, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_over(astonishing(tokenizer), tokenizer)
    with caplog.at_level(logging.ERROR):
        response = await post(service, path, body(path, stream=True))
    events = response.text.rstrip().split("\n\n")
    if path == CHAT:
        assert events.pop() == "data: [DONE]"
    told = json.loads(events[-1].partition("data: ")[2])
    match path:
        case "/v1/chat/completions":
            assert (told["error"]["code"], told["error"]["type"]) == ("internal_error", "server_error")
        case "/v1/responses":
            assert (told["type"], told["response"]["error"]["type"]) == ("response.failed", "internal_error")
        case _:
            assert (events[-1].splitlines()[0], told["code"]) == ("event: reflection.failed", "internal_error")
    assert "nobody expects it" not in response.text
    [record] = [record for record in caplog.records if record.name == "tear.api"]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)
    assert SECRET not in caplog.text


@PATHS
async def test_a_surprise_in_a_stream_is_counted_as_a_failure(tokenizer: ChainTokenizer, path: str) -> None:
    service = service_over(astonishing(tokenizer), tokenizer)
    await post(service, path, body(path, stream=True))
    labels = {"model": MODEL, "outcome": "failed"}
    assert service.metrics.registry.get_sample_value("tear_reflections_total", labels) == 1


@pytest.mark.parametrize("n", [1, 3])
async def test_a_surprise_in_one_of_several_answers_ends_the_stream_once(tokenizer: ChainTokenizer, n: int) -> None:
    chunks = sse_data(await post(service_over(astonishing(tokenizer), tokenizer), CHAT, asking(stream=True, n=n)))
    assert [chunk["error"]["code"] for chunk in chunks[:-1] if "error" in chunk] == ["internal_error"]
    assert chunks[-1] == "[DONE]"


@PATHS
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_nothing_in_time_is_an_error_with_a_name(tokenizer: ChainTokenizer, path: str, streamed: bool) -> None:
    engine = play(tokenizer, KEPT, hang_in=Stage.DRAFT)
    service = service_over(engine, tokenizer, deadlines=Deadlines(draft_s=0.03))
    response = await post(service, path, body(path, stream=streamed))
    if streamed:
        assert response.status_code == 200
        assert "engine_late" in response.text
    else:
        assert (response.status_code, response.json()["error"]["code"]) == (504, "engine_late")
        assert response.headers["x-should-retry"] == "true"
    assert engine.closed == [each.id for each in engine.asked]


async def test_a_late_answer_is_told_as_a_cut_one(tokenizer: ChainTokenizer) -> None:
    def late() -> Service:
        now_s = [0.0]
        jump = partial(now_s.__setitem__, 0, 10_000.0)
        engine = play(tokenizer, KEPT, hang_in=Stage.DRAFT, hang_after=2, on_hang=jump)
        return service_over(engine, tokenizer, deadlines=Deadlines(draft_s=1000, clock=lambda: now_s[0]))

    direct = f"{MODEL}-direct"
    [choice] = (await post(late(), CHAT, asking(model=direct))).json()["choices"]
    assert (choice["finish_reason"], choice["message"]["reflection"]["problems"]) == ("length", ["late_draft"])
    assert DRAFT.startswith(choice["message"]["content"])
    response = (await post(late(), RESPONSES, {"input": "Hm?", "model": direct})).json()
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


# What a stream costs while it runs


async def chunks_of(tokenizer: ChainTokenizer, story: Story, options: dict[str, bool], **fields: Any) -> list[Any]:
    service = service_over(play(tokenizer, story, chunk_size=2), tokenizer)
    return sse_data(await post(service, CHAT, asking(stream=True, stream_options=options, **fields)))[:-1]


@pytest.mark.parametrize("fields", [{}, {"n": 3}, {"model": f"{MODEL}-direct"}, {"reflection": {"draft": "No."}}])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
async def test_continuous_usage_grows_to_the_usage_of_the_end(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any]
) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    *running, last = [chunk["usage"] for chunk in await chunks_of(tokenizer, story, options, **fields)]
    counts = [usage["completion_tokens"] for usage in running]
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert running[-1] == {name: last[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert all(usage["prompt_tokens"] == last["prompt_tokens"] for usage in running)


@pytest.mark.parametrize(
    "options", [{"continuous_usage_stats": True}, {"include_usage": True}], ids=["without-usage", "not-continuous"]
)
async def test_usage_is_not_continuous_unless_both_are_asked_for(
    tokenizer: ChainTokenizer, options: dict[str, bool]
) -> None:
    chunks = await chunks_of(tokenizer, REVISED, options)
    assert [chunk for chunk in chunks if "usage" in chunk and chunk["choices"]] == []
