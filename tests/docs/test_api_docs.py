"""docs/api.md is whole and true: what the application has is on the page, what is on the page the application has."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from docs.pages import objects, read
from family import told
from folders import build_house
from stories import KEPT, REVISED, STORIES, Story, get, play, post, service_over

from tear_chain.errors import TearError
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.wire import EVENT_NAMES, load_event, load_reflection
from tear_chain.words import Outcome, Problem, Stage, Status
from tear_server.api.app import build_app
from tear_server.api.gate import BODY_LIMIT_S
from tear_server.api.problems import CODES, STATUSES
from tear_server.api.sse import KEEP_ALIVE, KEEP_ALIVE_S
from tear_server.budget import MIN_ANSWER, MIN_WITNESS, REFLECTED_ANSWER
from tear_server.journal.address import read_address
from tear_server.journal.journal import Journal
from tear_server.journal.store import open_store
from tear_server.service import Service

PAGE = read("api.md")
BODIES = {
    "/v1/chat/completions": "ChatRequest",
    "/v1/responses": "ResponseBody",
    "/v1/reflections": "ReflectionBody",
    "/v1/reflections/{reflection_id}/outcome": "OutcomeBody",
    "/v1/witness": "WitnessBody",
    "/v1/adapters": "AdapterBody",
}
BY_PATH = pytest.mark.parametrize("path", BODIES)
OUTCOME = "/v1/reflections/{reflection_id}/outcome"
FRAMEWORK_STATUSES = {**{code: status for status, code in CODES.items()}, "internal_error": 500}


class Field(NamedTuple):
    """A field of a request body, as the application describes it."""

    name: str
    is_required: bool
    default: object


@pytest.fixture
async def service(tokenizer: ChainTokenizer, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_store(read_address(f"sqlite:///{tmp_path}/journal.db"), create=True) as store:
        bare = build_house(tokenizer, tmp_path).service
        yield replace(bare, journal=Journal(store, bare.metrics))


@pytest.fixture
def described(tokenizer: ChainTokenizer) -> dict[str, Any]:
    """The application's own description, OpenAPI's."""
    found: dict[str, Any] = build_app(service_over(play(tokenizer, KEPT), tokenizer)).openapi()
    return found


# Endpoints and fields


def test_the_page_names_every_endpoint_and_no_other(described: dict[str, Any]) -> None:
    served = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert set(PAGE.named("Endpoint")) == served


def test_every_body_is_known_here(described: dict[str, Any]) -> None:
    reference = "#/components/schemas/"
    assert {
        path: methods["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].removeprefix(reference)
        for path, methods in described["paths"].items()
        if "requestBody" in methods.get("post", {})
    } == BODIES


@BY_PATH
def test_a_section_names_every_request_field_and_no_other(described: dict[str, Any], path: str) -> None:
    own = {field.name for field in fields_of(described, path) if "messages[]" not in field.name}
    assert set(PAGE.section(f"POST {path}").named("Request field")) == own


def test_the_fields_of_a_message_are_named_once_for_all(described: dict[str, Any]) -> None:
    parts = {
        field.name[field.name.index("messages[]") :]
        for path in BODIES
        for field in fields_of(described, path)
        if "messages[]" in field.name
    }
    assert set(PAGE.section("Messages").named("Request field")) == parts


@BY_PATH
def test_defaults_on_the_page_are_those_of_the_code(described: dict[str, Any], path: str) -> None:
    told = {name: row[2] for name, row in PAGE.section(f"POST {path}").told("Request field").items()}
    for field in fields_of(described, path):
        if field.name not in told:
            continue
        shown = "required" if field.is_required else "–" if field.default is None else f"`{json.dumps(field.default)}`"
        assert (field.name, told[field.name]) == (field.name, shown)


def fields_of(described: Mapping[str, Any], path: str) -> list[Field]:
    """The fields of a body and of what is in it, by dotted names: `items[].answer`."""
    schemas = described["components"]["schemas"]
    return list(dict.fromkeys(walk(schemas, schemas[BODIES[path]], "")))


def walk(schemas: Mapping[str, Any], schema: Mapping[str, Any], prefix: str) -> Iterator[Field]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        yield from walk(schemas, choice, prefix)
    if schema.get("type") == "array":
        yield from walk(schemas, schema["items"], f"{prefix}[]")
    for name, inner in schema.get("properties", {}).items():
        place = f"{prefix}.{name}" if prefix else name
        yield Field(place, name in schema.get("required", ()), inner.get("default"))
        yield from walk(schemas, inner, place)


def test_the_page_tells_the_least_room_for_each_thing() -> None:
    told = [
        int(number) for row in PAGE.section("Token limits").rows("Room left") for number in re.findall(r"\d+", row[0])
    ]
    assert told == [MIN_WITNESS + 2 * REFLECTED_ANSWER, MIN_WITNESS + MIN_ANSWER, MIN_ANSWER]


def test_the_page_tells_how_long_a_body_may_take() -> None:
    assert f"did not come whole within {BODY_LIMIT_S:g} seconds" in PAGE.section("Errors").text


def test_the_page_tells_how_long_a_stream_is_silent() -> None:
    assert f"silent for {KEEP_ALIVE_S:g} seconds gets a comment, `{KEEP_ALIVE.decode().strip()}`" in PAGE.text


# Words


@pytest.mark.parametrize(("head", "words"), [("Status", Status), ("Outcome", Outcome), ("Problem", Problem)])
def test_the_page_names_every_word_of_a_closed_set_and_no_other(head: str, words: type[StrEnum]) -> None:
    assert sorted(PAGE.section("POST /v1/reflections").named(head)) == sorted(words)


def test_the_page_names_every_typed_event_and_no_other() -> None:
    assert set(PAGE.section("POST /v1/reflections").named("Event")) == set(EVENT_NAMES.values())


async def test_the_page_names_every_event_of_a_response_and_no_other(tokenizer: ChainTokenizer) -> None:
    seen: set[str] = set()
    runs: list[tuple[Story, dict[str, Any]]] = [
        (REVISED, {}),
        (STORIES["endless-revision"], {}),
        (REVISED, {"fail_in": Stage.WITNESS}),
    ]
    for story, options in runs:
        service = service_over(play(tokenizer, story, **options), tokenizer)
        reply = await post(service, "/v1/responses", {"input": "Am I any good?", "stream": True})
        seen |= {line.removeprefix("event: ") for line in reply.text.splitlines() if line.startswith("event: ")}
    named = {name for name in PAGE.section("POST /v1/responses").named("Event") if name.startswith("response.")}
    assert named == seen


# Errors


def test_the_page_names_every_error_with_its_status_and_whether_to_retry() -> None:
    listed = {code: (int(row[1]), row[2]) for code, row in PAGE.section("Errors").told("Code").items()}
    known = {error.code: (status_of(error), "yes" if error.retryable else "no") for error in told(TearError)}
    assert listed == known | {code: (status, "no") for code, status in FRAMEWORK_STATUSES.items()}


def status_of(error: type[TearError]) -> int:
    return next((status for kind, status in STATUSES if issubclass(error, kind)), 500)


# Examples


def test_reflections_in_examples_are_read_by_the_chains_own_reader() -> None:
    found = [each for example in PAGE.json() for each in objects(example) if "stages" in each]
    assert [load_reflection(json.dumps(each)).outcome for each in found] == [Outcome.REVISED] * 3


def test_events_in_examples_are_read_by_the_chains_own_reader() -> None:
    events = PAGE.section("POST /v1/reflections").sse()
    kinds = [type(load_event(name or "", data)) for name, data in events]
    assert kinds
    assert set(kinds) < set(EVENT_NAMES)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_chunks_in_examples_are_shaped_as_the_application_streams_them(service: Service, path: str) -> None:
    section = PAGE.section(f"POST {path}")
    body = section.json()[0] | {"stream": True, "stream_options": {"include_usage": True}}
    lines = (await post(service, path, body)).text.splitlines()
    streamed = {shape(json.loads(line[6:])) for line in lines if line.startswith("data: {")}
    for _, data in section.sse():
        assert shape(json.loads(data)) in streamed, data


@BY_PATH
async def test_an_example_request_is_answered_as_the_page_shows(service: Service, path: str) -> None:
    body, shown = PAGE.section(f"POST {path}").json()
    reply = await post(service, await located(service, path), body)
    assert reply.status_code == (201 if path == OUTCOME else 200), reply.text
    assert shape(shown) == shape(reply.json())


@pytest.mark.parametrize(
    "path", ["/v1/reflections/{reflection_id}", "/v1/adapters", "/v1/models", "/health", "/version"]
)
async def test_an_example_of_what_can_be_got_is_shaped_as_it_is(service: Service, path: str) -> None:
    [shown] = PAGE.section(f"GET {path}").json()
    place = await located(service, path)
    if place != path:
        await post(service, f"{place}/outcome", {"text": "She plays every day now.", "weight": 3})
    assert shape(shown) == shape((await get(service, place)).json())


async def test_the_example_of_an_error_is_the_real_one(service: Service) -> None:
    [shown] = PAGE.section("Errors").json()
    body = PAGE.section("POST /v1/chat/completions").json()[0] | {"model": "gpt-5"}
    assert (await post(service, "/v1/chat/completions", body)).json() == shown


async def located(service: Service, path: str) -> str:
    """The path with the id of a reflection that the journal holds."""
    if "{" not in path:
        return path
    body = PAGE.section("POST /v1/reflections").json()[0]
    return path.format(reflection_id=(await post(service, "/v1/reflections", body)).json()["id"])


def shape(value: object, name: str = "") -> object:
    """A value's keys and types, without what differs from run to run."""
    if name == "metrics":  # an adapter's own names
        return "object"
    if isinstance(value, dict):
        return frozenset((key, shape(inner, key)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(shape(inner) for inner in value)
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_a_wrong_shape_is_seen() -> None:
    assert shape({"a": 1, "b": [{"c": None}]}) == shape({"b": [{"c": None}], "a": 2.5})
    assert shape({"a": 1}) != shape({"a": "1"})
    assert shape({"a": [{"c": 1}]}) != shape({"a": [{"d": 1}]})
