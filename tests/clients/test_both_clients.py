"""`Client` and `AsyncClient` against the real application over a scripted engine: the same methods and answers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from clients.conftest import Serve
from folders import House
from scripted import ScriptedEngine
from stories import ADAPTER, ANSWER, DRAFT, KEPT, MODEL, REVISED, STORIES, play, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Outcome, Stage
from tear_client import (
    AsyncClient,
    Client,
    Completed,
    Conflict,
    InvalidKey,
    InvalidRequest,
    Item,
    NotOffered,
    RateLimited,
    ReflectionFailed,
    StageStarted,
    UnknownModel,
    UnknownReflection,
    Witnessed,
)
from tear_server.api.app import Access, build_app
from tear_server.keys import Key, make_key

ASKED = "Am I any good?"

Call = Callable[..., Any]


def call_sync(method: str, *arguments: Any, **options: Any) -> Any:
    with Client(retries=0) as client:
        return getattr(client, method)(*arguments, **options)


def call_async(method: str, *arguments: Any, **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient(retries=0) as client:
            return await getattr(client, method)(*arguments, **options)

    return asyncio.run(run())


@pytest.fixture(params=[call_sync, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method of a client of the server at `TEAR_URL`, by name."""
    found: Call = request.param
    return found


def public(kind: type) -> dict[str, inspect.Signature]:
    return {name: inspect.signature(value) for name, value in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def names(kind: type) -> dict[str, list[str]]:
        return {name: [str(each) for each in found.parameters.values()] for name, found in public(kind).items()}

    assert names(Client) == names(AsyncClient)
    assert {name: found.return_annotation for name, found in public(Client).items() if name not in ("stream",)} == {
        name: found.return_annotation for name, found in public(AsyncClient).items() if name not in ("stream",)
    }


def test_a_reflection_is_told_whole(serve: Serve, call: Call) -> None:
    serve()
    reflection = call("reflect", ASKED, seed=1)
    assert (reflection.draft, reflection.answer, reflection.outcome) == (DRAFT, ANSWER, Outcome.REVISED)
    assert (reflection.model, reflection.adapter) == (MODEL, ADAPTER)


def test_what_is_wished_reaches_the_engine(serve: Serve, call: Call, engines: list[ScriptedEngine]) -> None:
    serve()
    reflection = call("reflect", ASKED, draft="Mine.", temperature=0.25, seed=5, revise_threshold=0.0, session_id="s")
    assert (reflection.draft, reflection.decision) == ("Mine.", Decision.REVISE)
    assert {each.sampling.temperature for each in engines[0].asked} == {0.25}


def test_an_answer_is_witnessed(serve: Serve, call: Call) -> None:
    serve()
    [found] = call("witness", "Try harder.", situation=ASKED, temperature=0)
    assert (found.weight, found.decision, found.adapter) == (-2, Decision.REVISE, ADAPTER)
    assert found.scene.impact.strip() == "She closes the lid."


def test_more_answers_are_witnessed_than_the_server_takes_at_once(serve: Serve, call: Call) -> None:
    serve(access=Access(max_requests=64))
    found = call("witness", [*["Try harder."] * 64, Item("We buried my uncle.", "It was his time.")], situation=ASKED)
    assert [each.weight for each in found] == [-2] * 65


def test_nothing_to_witness_asks_nothing(serve: Serve, call: Call, engines: list[ScriptedEngine]) -> None:
    serve()
    assert call("witness", []) == ()
    assert engines[0].asked == []


def test_text_alone_needs_the_situation_that_it_answers(serve: Serve, call: Call) -> None:
    serve()
    with pytest.raises(InvalidRequest, match="situation"):
        call("witness", ["Try harder."])


def test_a_scene_with_gaps_says_which(serve: Serve, call: Call) -> None:
    serve(STORIES["gaps"])
    [found] = call("witness", "Try harder.", situation=ASKED)
    assert (found.scene.who, list(map(str, found.problems))) == (None, ["missing_who", "missing_ripples"])


def test_what_came_of_an_answer_is_reported(serve: Serve, call: Call) -> None:
    serve(keeps=True)
    known = call("reflect", ASKED).id
    told = call("report", known, text="She plays every day now.", weight=3)
    assert (told.id, told.text, told.weight, told.reported.tzinfo is not None) == (
        *(known, "She plays every day now.", 3),
        True,
    )


@pytest.mark.parametrize("name", ["refl-0", "b?c#d %00", "漢"])
def test_an_unknown_reflection_is_not_found_whatever_its_name(serve: Serve, call: Call, name: str) -> None:
    serve(keeps=True)
    with pytest.raises(UnknownReflection) as e:
        call("report", name, text="x")
    assert (e.value.status, e.value.code, e.value.param) == (404, "reflection_not_found", "reflection_id")


def test_the_models_the_version_and_the_health_are_told(serve: Serve, call: Call) -> None:
    serve()
    assert [(model.id, model.reflects) for model in call("models")] == [(MODEL, True), (f"{MODEL}-direct", False)]
    assert (call("version").adapter.name, call("version").base.name) == (ADAPTER, MODEL)
    assert (call("health").is_ok, call("ready").is_ok) == (True, True)


def test_a_server_that_is_not_well_answers_so_and_is_no_error(
    serve: Serve, call: Call, engines: list[ScriptedEngine]
) -> None:
    serve()
    engines[0].dead = True
    for probe in ("health", "ready"):
        found = call(probe)
        assert (found.is_ok, found.status) == (False, "engine_dead")
        assert "dead" in found.message


def test_adapters_are_listed_loaded_rolled_back_and_removed(house: House, call: Call) -> None:
    first, second = house.name("first"), house.name("second")
    loaded = call("load_adapter", "second")
    assert (loaded.model, loaded.adapter, loaded.before) == (MODEL, second, first)
    assert [(each.id, each.models, each.before_in) for each in call("adapters")] == [
        (first, (), (MODEL,)),
        (second, (MODEL,), ()),
    ]
    assert call("roll_back_adapter", MODEL).adapter == first
    assert call("remove_adapter", second).object == "adapter"
    call("load_adapter", "third", model="org/small")
    assert call("remove_adapter", "org/small").object == "model"


@pytest.mark.parametrize(
    ("method", "arguments", "options", "kind"),
    [
        ("reflect", [ASKED], {"model": "gpt-9"}, UnknownModel),
        ("adapters", [], {}, NotOffered),
    ],
    ids=["model", "adapters"],
)
def test_a_refusal_has_the_class_of_its_code_and_the_requests_id(
    serve: Serve, call: Call, method: str, arguments: list[Any], options: dict[str, Any], kind: type[Exception]
) -> None:
    serve()
    with pytest.raises(kind) as e:
        call(method, *arguments, **options)
    assert e.value.request_id  # type: ignore[attr-defined]


def test_what_does_not_go_with_what_is_served_is_a_conflict(house: House, call: Call) -> None:
    with pytest.raises(Conflict):
        call("roll_back_adapter", MODEL)


def test_the_key_is_taken_from_the_environment(serve: Serve, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    key, digest = make_key()
    serve(access=Access(keys={"alice": Key(sha256=digest)}))
    with pytest.raises(InvalidKey):
        call("models")
    monkeypatch.setenv("TEAR_API_KEY", key)
    assert call("models")


def test_a_limit_says_when_to_come_again(serve: Serve, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    key, digest = make_key()
    monkeypatch.setenv("TEAR_API_KEY", key)
    serve(access=Access(keys={"alice": Key(sha256=digest, requests_per_minute=1)}))
    call("reflect", ASKED)
    with pytest.raises(RateLimited) as e:
        call("reflect", ASKED)
    assert e.value.retryable
    assert 0 < (e.value.retry_after_s or 0) <= 60


# Streams


async def test_a_stream_is_told_event_by_event(tokenizer: ChainTokenizer) -> None:
    app = build_app(service_over(play(tokenizer, REVISED), tokenizer))
    async with (
        AsyncClient("http://tear", transport=httpx.ASGITransport(app)) as client,
        client.stream(ASKED) as stream,
    ):
        events = [event async for event in stream]
        assert isinstance(events[0], StageStarted)
        assert sum(isinstance(event, Witnessed) for event in events) == 1
        assert isinstance(events[-1], Completed)
        assert (stream.text, (await stream.final()).answer) == (ANSWER, ANSWER)
        assert stream.request_id


def test_sync_and_async_streams_tell_the_same(serve: Serve) -> None:
    url = serve(KEPT)

    async def told_async() -> list[str]:
        async with AsyncClient(url) as client, client.stream(ASKED) as stream:
            return [type(event).__name__ async for event in stream]

    with Client(url) as client, client.stream(ASKED) as stream:
        told = [type(event).__name__ for event in stream]
    assert told == asyncio.run(told_async())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_engine_that_fails_in_the_middle_leaves_what_had_come(serve: Serve, is_async: bool) -> None:
    serve(fail_in=Stage.WITNESS)

    async def read_async() -> None:
        async with AsyncClient() as client, client.stream(ASKED) as stream:
            await stream.final()

    def read() -> None:
        with Client() as client, client.stream(ASKED) as stream:
            stream.final()

    with pytest.raises(ReflectionFailed) as e:
        asyncio.run(read_async()) if is_async else read()
    assert (e.value.code, e.value.partial.draft) == ("engine_error", DRAFT)
    assert e.value.request_id


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_leaving_a_stream_ends_the_engines_work(serve: Serve, engines: list[ScriptedEngine], is_async: bool) -> None:
    serve(hang_in=Stage.WITNESS)

    async def look() -> None:
        async with AsyncClient() as client, client.stream(ASKED) as stream:
            async for event in stream:
                if isinstance(event, StageStarted) and event.stage is Stage.WITNESS:
                    return

    if is_async:
        asyncio.run(look())
    else:
        with Client() as client, client.stream(ASKED) as stream:
            next(event for event in stream if isinstance(event, StageStarted) and event.stage is Stage.WITNESS)
    asyncio.run(until(lambda: engines[0].closed == [each.id for each in engines[0].asked]))
